// The panel above the map of a training: progress, Stop, curves, replay. Python counts, and decides when
// to send; here it is only drawn. What the reader wants while a cell is running goes over a line of its own.

import { makeCurves, nearest, readCurve } from "./curves.js";
import { element } from "./dom.js";
import { RUN_AGAIN } from "./kernel.js";
import { openLine } from "./line.js";
import { counted, duration } from "./numbers.js";
import { view } from "./view.js";

/** @typedef {[layer: number, head: number | null]} Choice */

/**
 * @typedef {object} Training what Python sends of a training
 * @property {number} run which one it is, counted from 0
 * @property {number} step how many are done
 * @property {number | null} total
 * @property {boolean} running
 * @property {number} rate steps a second, 0 before there is one
 * @property {number | null} left seconds
 * @property {string} note
 * @property {import("./curves.js").SentCurve[]} curves over steps
 * @property {number[]} steps at which there is a map to replay
 * @property {number} shown the step whose map is shown
 * @property {string[]} says what the model answers
 * @property {(boolean | null)[]} right whether it should
 */

/**
 * @typedef {object} State
 * @property {Training} _state
 * @property {{ view: string, reads: string[], choices: Choice[] }} _fixed
 * @property {[run: number, frame: number]} frame −1 is the last
 * @property {Choice} chosen
 * @property {boolean} [_gone]
 */

const REPLAY = 90; // ms a map
const GROWS = 4000; // ms within which curves and map of a training that has begun take their room
/** @type {Map<string, HTMLElement>} of each training the view that was drawn last: the one below its loop */
const newest = new Map();
const TURNS = ["wheel", "pointerdown", "keydown"]; // what a reader does who looks elsewhere
const steps = (/** @type {number} */ n) => counted(n, "step", "steps");

/** @param {Choice} choice @param {Choice[]} choices */
export function choiceInWords([layer, head], choices) {
  if (head !== null) return `layer ${layer}, head ${head}`;
  return `layer ${layer}${choices.some(([l, h]) => l === layer && h !== null) ? ", all heads" : ""}`;
}

/** @param {Training} state */
export function paceInWords({ rate, running, left }) {
  if (!rate) return "";
  return `${rate.toFixed(rate < 10 ? 1 : 0)} steps a second${running && left !== null ? ` · ${duration(left)} left` : ""}`;
}

/** @typedef {import("./view.js").Context<State>} Context */

export default view("at", ["_state", "frame", "chosen"], (/** @type {Context} */ { model, root, put }) => {
  root.onkeydown = (event) => event.stopPropagation(); // JupyterLab takes ← and → for itself
  const bar = element("div", "at-bar", root);
  const stop = element("button", "at-button at-stop", bar, { type: "button" });
  stop.textContent = "Stop";
  const progress = element("progress", "at-progress", bar, { "aria-label": "Training" });
  const count = element("span", "at-count", bar);
  const pace = element("span", "at-pace", bar);
  const choice = element("label", "at-choice", bar);
  choice.append("Map ");
  const select = element("select", "at-select", choice);
  const note = element("div", "at-note", root, { role: "status" });
  const showCurves = makeCurves(element("div", "cv-charts", root), (_, step) => {
    const { running, steps } = model.get("_state");
    if (!running && steps.length > 1) goTo(nearest(steps, step));
  });
  const replay = element("div", "at-replay", root);
  const play = element("button", "at-button", replay, { type: "button" });
  const slider = element("input", "at-slider", replay, { type: "range", min: 0, step: 1, "aria-label": "Replay: how the map formed" });
  const moment = element("span", "at-moment", replay);
  const tokens = element("table", "at-tokens", root);

  const { view, reads, choices } = model.get("_fixed");
  for (const one of choices) {
    element("option", "", select, { value: JSON.stringify(one) }).textContent = choiceInWords(one, choices);
  }

  // ---- what the reader wants

  /** @type {any} */
  let line = null;
  let gone = false; // this view, from the page
  const kernel = model.widget_manager?.kernel;
  openLine(kernel).then((opened) => {
    if (gone) { opened?.close(); return; }
    line = opened;
    line?.send({ view, watching: true }); // from now on the loop takes its time
  }).catch(console.warn);

  stop.onclick = () => {
    stop.disabled = true;
    stop.textContent = "Stopping…";
    if (line) line.send({ view, stop: true });
    else kernel?.interrupt(); // Python takes it as the wish to stop
  };
  select.onchange = () => {
    const chosen = JSON.parse(select.value);
    if (model.get("_state").running) line?.send({ view, chosen });
    put({ chosen });
  };

  // ---- replay

  let playing = 0;

  /** @param {number} frame */
  function goTo(frame) {
    put({ frame: [model.get("_state").run, frame] });
  }

  function pause() {
    clearInterval(playing);
    playing = 0;
    play.textContent = "▶ Replay";
  }

  play.onclick = () => {
    if (playing) { pause(); return; }
    const last = () => model.get("_state").steps.length - 1;
    let frame = Number(slider.value) >= last() ? -1 : Number(slider.value);
    play.textContent = "❚❚ Pause";
    playing = window.setInterval(() => {
      goTo(++frame);
      if (frame >= last()) pause();
    }, REPLAY);
  };
  slider.oninput = () => { pause(); goTo(Number(slider.value)); };

  // ---- the tokens that the model reads, and what it says

  /** @param {string} name @param {string[]} words @param {(boolean | null)[]} [right] */
  function tokenRow(name, words, right = []) {
    const row = element("tr");
    element("th", "", row, { scope: "row" }).textContent = name;
    words.forEach((word, i) => {
      const cell = element("td", right[i] === false ? "at-wrong" : right[i] ? "at-right" : "", row);
      cell.textContent = word;
      if (right[i] === false) cell.title = "wrong";
    });
    return row;
  }

  /** @param {Training} state */
  function drawTokens({ says, right }) {
    tokens.hidden = !says.length;
    if (tokens.hidden) return;
    const answer = tokenRow("says", says, right);
    const judged = right.filter((r) => r !== null);
    if (judged.length) element("td", "at-score", answer).textContent = `${judged.filter((r) => r).length} of ${judged.length} right`;
    tokens.replaceChildren(tokenRow("reads", reads), answer);
  }

  // ---- frames

  newest.set(view, root);
  let ran = false; // when it was last drawn

  /** A training that has begun comes into sight, and stays there while it grows, unless the reader turns elsewhere. */
  function beInSight() {
    const box = root.closest(".attention-explorer") ?? root;
    const grown = new ResizeObserver(comeIntoSight);
    const over = () => {
      grown.disconnect();
      for (const name of TURNS) window.removeEventListener(name, over, true);
    };
    grown.observe(box);
    setTimeout(over, GROWS);
    for (const name of TURNS) window.addEventListener(name, over, true);
  }

  /** All of it: it is displayed below the cell that was run, often below the page. */
  function comeIntoSight() {
    if (newest.get(view) !== root || !root.isConnected || document.body.hasAttribute("data-jp-deck-mode")) return;
    const box = root.closest(".attention-explorer") ?? root;
    const { top, bottom, height } = box.getBoundingClientRect();
    const far = top > 2 * innerHeight || bottom < -innerHeight; // somebody reads elsewhere
    if (!far) box.scrollIntoView({ block: height > 0.75 * innerHeight ? "start" : "nearest" });
  }

  function draw() {
    const left = Boolean(model.get("_gone")); // nothing runs any more, and nothing can be replayed
    const state = { ...model.get("_state"), ...(left ? { running: false, note: RUN_AGAIN, steps: [] } : {}) };
    const { running, step, total, shown } = state;
    if (left) pause();
    const begun = running || step > 0;
    if (running && !ran) beInSight();
    ran = running;
    select.disabled = left;
    root.classList.toggle("at-running", running);
    stop.hidden = !running;
    progress.hidden = count.hidden = pace.hidden = !begun;
    if (!running) Object.assign(stop, { disabled: false, textContent: "Stop" });
    progress.max = total || 1;
    if (running && !total) progress.removeAttribute("value"); else progress.value = total ? step : 1;
    count.textContent = `Step ${step}${total ? ` of ${total}` : ""}`;
    pace.textContent = paceInWords(state);
    if (note.textContent !== state.note) note.textContent = state.note;
    const at = running ? step : shown;
    showCurves(
      state.curves.map((sent) => ({ ...readCurve(sent), at })),
      { span: [0, Math.max(total ?? 0, step, 1)], live: running, inWords: steps },
    );
    replay.hidden = running || state.steps.length < 2;
    slider.max = String(Math.max(0, state.steps.length - 1));
    const [, frame] = model.get("frame");
    slider.value = frame < 0 ? slider.max : String(frame);
    moment.textContent = `after ${steps(shown)}`;
    slider.setAttribute("aria-valuetext", moment.textContent);
    select.value = JSON.stringify(model.get("chosen"));
    drawTokens(state);
  }

  pause();
  return { draw, end: () => { gone = true; pause(); line?.close(); if (newest.get(view) === root) newest.delete(view); } };
});
