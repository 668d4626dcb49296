// A page that lives without a kernel: it mounts the widgets of a lesson in place of their pictures, by their own
// scripts, and answers from the record in the page what the kernel would. See tests/tools/make_handouts.py.

import { alikeTo, Alone, keepAlike, referred } from "./alone.js";
import { element } from "./dom.js";
import { control, isControl, laidOut } from "./native.js";
import { inflated, readRecord } from "./packed.js";
import { makeAnswers } from "./recorded.js";

/** @typedef {{ initialize?: (context: object) => void | Promise<any>, render: (context: object) => void }} Script */

const BOXES = ["VBoxModel", "HBoxModel", "BoxModel"];

/**
 * Everything on the page lives when this has ended.
 * @param {string} text the record, see packed.js @param {(url: string) => Promise<any>} load a module
 */
export async function live(text, load) {
  const { models: states, explorers, frames, filled } = readRecord(await inflated(text));
  /** @type {import("./alone.js").Models} */
  const models = new Map();
  const others = { get_model: async (/** @type {string} */ id) => /** @type {Alone} */ (models.get(id)) };
  /** @type {ReturnType<typeof makeAnswers>[]} */
  const answers = [];
  const sent = (/** @type {Alone} */ model, /** @type {object} */ content) => {
    answers.some(({ wish }) => wish(model.id, content));
    model.tell("msg:custom", { done: true }, []);
  };
  for (const [id, state] of Object.entries(states)) models.set(id, new Alone(id, filled(state), others, sent));

  for (const moves of explorers) {
    const bank = models.get(moves.bank);
    bank?.set("_gone", true); // of which nothing is asked
    const say = (/** @type {string} */ words) => bank?.set("_why", words);
    const answer = makeAnswers({ moves, models, say, soon: queueMicrotask, frame: (n) => filled(frames[n]) });
    answers.push(answer);
  }
  for (const model of models.values()) {
    if (model.get("_model_name") === "LinkModel") keepAlike(models, model);
    if (model.get("editable")) model.set("editable", false); // its numbers: a kernel would have to answer
    if (isControl(model) && !isAnswered(models, answers, model)) model.set("disabled", true);
  }
  const scripts = await loaded(models, load);
  for (const place of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-model]"))) {
    const model = models.get(place.dataset.model ?? "");
    const made = model && drawn(models, model, scripts);
    if (!made) continue;
    const box = element("div", "attention-live", place);
    box.addEventListener("keydown", (event) => event.stopPropagation()); // a deck of slides has keys of its own
    place.closest(".jp-Cell")?.setAttribute("tabindex", "-1"); // Escape leads there: see keys.js
    box.append(made);
    place.classList.add("attention-lives");
  }
}

/**
 * Whether anything comes of moving it, or one that a link keeps as it is.
 * @param {import("./alone.js").Models} models @param {{ moves: (id: string) => boolean }[]} answers @param {Alone} model
 */
export const isAnswered = (models, answers, model) =>
  [model, ...alikeTo(models, model)].some(({ id }) => answers.some((answer) => answer.moves(id)));

/**
 * The scripts of views, each text once, and their styles.
 * @param {import("./alone.js").Models} models @param {(url: string) => Promise<any>} load
 */
async function loaded(models, load) {
  /** @type {Map<string, Script>} */
  const scripts = new Map();
  const styles = new Set();
  for (const model of models.values()) {
    const [script, style] = [model.get("_esm"), model.get("_css")];
    if (style && !styles.has(style)) document.head.append(Object.assign(element("style"), { textContent: style }));
    styles.add(style);
    if (!script) continue;
    if (!scripts.has(script)) {
      const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
      scripts.set(script, (await load(url)).default);
      URL.revokeObjectURL(url);
    }
    await scripts.get(script)?.initialize?.({ model });
  }
  return scripts;
}

/**
 * The element of a model, and all that is in it.
 * @param {import("./alone.js").Models} models @param {Alone} model @param {Map<string, Script>} scripts
 * @returns {HTMLElement | null}
 */
function drawn(models, model, scripts) {
  const name = model.get("_model_name");
  const script = scripts.get(model.get("_esm"));
  if (script) {
    const el = element("div", "jupyter-widgets");
    laidOut(models, model, el);
    queueMicrotask(() => script.render({ model, el })); // when it stands in the page
    return el;
  }
  if (!BOXES.includes(name)) return control(models, model);
  const box = element("div", `jupyter-widgets widget-box ${name === "HBoxModel" ? "widget-hbox" : "widget-vbox"}`);
  box.classList.add(...model.get("_dom_classes"));
  laidOut(models, model, box);
  for (const child of model.get("children")) {
    const one = referred(models, child);
    const inside = one && drawn(models, one, scripts);
    if (inside) box.append(inside);
  }
  return box;
}
