// The panel above the map of a training: progress, Stop, curves, replay. Python counts, and decides when
// to send; this file only draws. What the reader wants while a cell is running goes over a line of its
// own, because a widget's messages wait until the cell has ended.

const LINE = "attention_core.training";
const [WIDTH, HEIGHT] = [300, 96]; // of a chart, in its own coordinates
const SVG = "http://www.w3.org/2000/svg";

function element(tag, className, parent, attributes = {}) {
  const node = document.createElement(tag);
  node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  parent?.append(node);
  return node;
}

function shape(tag, parent, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  parent.append(node);
  return node;
}

const floats = (view) => new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
const number = (x) => (Number.isFinite(x) ? x.toFixed(2).replace("-", "−") : Number.isNaN(x) ? "NaN" : x > 0 ? "∞" : "−∞");
const steps = (n) => `${n} ${n === 1 ? "step" : "steps"}`;

function duration(seconds) {
  const s = Math.round(seconds);
  return s < 60 ? `${s} s` : `${Math.floor(s / 60)} min ${s % 60} s`;
}

// A line to the kernel that is answered during a cell; null where the page or the kernel has none.
async function openLine(kernel) {
  if (!kernel?.createComm) return null;
  const line = kernel.createComm(LINE);
  const none = new Promise((resolve) => setTimeout(resolve, 5000, "none"));
  if ((await Promise.race([line.subshellStarted, none])) === "none" || !line.subshellId) { line.dispose(); return null; }
  line.open();
  return line;
}

function render({ model, el }) {
  const root = element("div", "at", el, { "data-lm-suppress-shortcuts": "true" });
  root.addEventListener("focusin", (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "true")); // or Notebook 7 takes the arrow keys
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
  const charts = element("div", "at-charts", root);
  const replay = element("div", "at-replay", root);
  const play = element("button", "at-button", replay, { type: "button" });
  const slider = element("input", "at-slider", replay, { type: "range", min: 0, step: 1, "aria-label": "Replay: how the map formed" });
  const moment = element("span", "at-moment", replay);
  const tokens = element("table", "at-tokens", root);

  const { reads, choices } = model.get("_fixed");
  for (const [layer, head] of choices) {
    element("option", "", select, { value: JSON.stringify([layer, head]) }).textContent =
      `layer ${layer}${head !== null ? `, head ${head}` : choices.some(([l, h]) => l === layer && h !== null) ? ", all heads" : ""}`;
  }
  let line = null;
  let gone = false;
  const kernel = model.widget_manager?.kernel;
  openLine(kernel).then((opened) => { if (gone) opened?.close(); else line = opened; }).catch(console.warn);
  const tell = (wish) => line?.send({ view: model.get("_fixed").view, ...wish });

  stop.onclick = () => {
    stop.disabled = true;
    stop.textContent = "Stopping…";
    if (line) tell({ stop: true });
    else kernel?.interrupt(); // Python takes it as the wish to stop
  };
  select.onchange = () => {
    const chosen = JSON.parse(select.value);
    if (model.get("_state").running) tell({ chosen });
    model.set("chosen", chosen);
    model.save_changes();
  };

  // ---- charts

  const drawn = new Map(); // name → the parts of its chart

  function chartOf(name) {
    if (drawn.has(name)) return drawn.get(name);
    const box = element("div", "at-chart", charts);
    const head = element("div", "at-name", box);
    const svg = shape("svg", box, { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
    const chart = {
      head, svg,
      floor: shape("line", svg, { class: "at-axis", x1: 0, x2: WIDTH }),
      top: shape("text", svg, { class: "at-tick", x: 0, y: 10 }),
      end: shape("text", svg, { class: "at-tick", x: WIDTH, y: HEIGHT + 10, "text-anchor": "end" }),
      path: shape("path", svg, { class: "at-curve" }),
      here: shape("line", svg, { class: "at-here", y1: 0, y2: HEIGHT }),
      dot: shape("circle", svg, { class: "at-dot", r: 4 }),
    };
    svg.addEventListener("click", (event) => {
      const { running, steps } = model.get("_state");
      if (running || steps.length < 2) return;
      const box = svg.getBoundingClientRect();
      const step = ((event.clientX - box.left) / box.width) * extent();
      goTo(steps.reduce((best, s, i) => (Math.abs(s - step) < Math.abs(steps[best] - step) ? i : best), 0));
    });
    drawn.set(name, chart);
    return chart;
  }

  const extent = () => Math.max(model.get("_state").total ?? 0, model.get("_state").step, 1);

  function drawChart([name, xs, ys], state) {
    const { head, svg, floor, top, end, path, here, dot } = chartOf(name);
    const [x, y] = [floats(xs), floats(ys)];
    const finite = y.filter(Number.isFinite);
    const high = finite.reduce((m, v) => Math.max(m, v), 1);
    const low = finite.reduce((m, v) => Math.min(m, v), 0);
    const across = (step) => (step / extent()) * WIDTH;
    const down = (value) => HEIGHT - 4 - ((value - low) / (high - low)) * (HEIGHT - 18);
    let pen = "M";
    let d = "";
    x.forEach((step, i) => {
      if (!Number.isFinite(y[i])) { pen = "M"; return; }
      d += `${pen}${across(step).toFixed(1)} ${down(y[i]).toFixed(1)}`;
      pen = "L";
    });
    path.setAttribute("d", d);
    top.textContent = number(high);
    end.textContent = steps(extent());
    for (const y of ["y1", "y2"]) floor.setAttribute(y, down(0));
    const at = state.running ? x.length - 1 : x.reduce((best, s, i) => (Math.abs(s - state.shown) < Math.abs(x[best] - state.shown) ? i : best), 0);
    const visible = x.length > 0 && Number.isFinite(y[at]);
    dot.style.display = visible ? "" : "none";
    here.style.display = state.running ? "none" : "";
    if (visible) { dot.setAttribute("cx", across(x[at])); dot.setAttribute("cy", down(y[at])); }
    for (const x of ["x1", "x2"]) here.setAttribute(x, across(state.shown));
    head.replaceChildren(`${name} `, strong(number(y[at] ?? NaN)));
    svg.setAttribute("aria-label", `${name}: ${number(y[at] ?? NaN)} after ${steps(state.running ? state.step : state.shown)}`);
  }

  function strong(text) {
    const node = document.createElement("strong");
    node.textContent = text;
    return node;
  }

  // ---- replay

  let playing = 0;

  function goTo(frame) {
    if (model.get("_gone")) return; // the maps are in the kernel
    model.set("frame", [model.get("_state").run, frame]);
    model.save_changes();
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
    playing = setInterval(() => {
      goTo(++frame);
      if (frame >= last()) pause();
    }, 90);
  };
  slider.oninput = () => { pause(); goTo(Number(slider.value)); };

  // ---- the tokens that the model reads, and what it says

  function drawTokens({ says, right }) {
    tokens.hidden = !says.length;
    if (tokens.hidden) return;
    const row = (name, words, mark) => {
      const line = document.createElement("tr");
      element("th", "", line, { scope: "row" }).textContent = name;
      words.forEach((word, i) => {
        const cell = element("td", mark && right[i] === false ? "at-wrong" : mark && right[i] ? "at-right" : "", line);
        cell.textContent = word;
        if (mark && right[i] === false) cell.title = "wrong";
      });
      return line;
    };
    const judged = right.filter((r) => r !== null);
    const says_ = row("says", says, true);
    if (judged.length) element("td", "at-score", says_).textContent = `${judged.filter((r) => r).length} of ${judged.length} right`;
    tokens.replaceChildren(row("reads", reads), says_);
  }

  // ---- frames

  let waiting = 0;

  function draw() {
    waiting = 0;
    const left = Boolean(model.get("_gone")); // nothing runs any more, and nothing can be replayed
    const state = { ...model.get("_state"), ...(left ? { running: false, note: RUN_AGAIN, steps: [] } : {}) };
    if (left) pause();
    const begun = state.running || state.step > 0;
    select.disabled = left;
    root.classList.toggle("at-running", state.running);
    stop.hidden = progress.hidden = count.hidden = pace.hidden = !begun;
    stop.hidden ||= !state.running;
    if (!state.running) Object.assign(stop, { disabled: false, textContent: "Stop" });
    progress.max = state.total || 1;
    if (state.total) progress.value = state.step; else if (state.running) progress.removeAttribute("value"); else progress.value = 1;
    count.textContent = `Step ${state.step}${state.total ? ` of ${state.total}` : ""}`;
    pace.textContent = state.rate ? `${state.rate.toFixed(state.rate < 10 ? 1 : 0)} steps a second${state.running && state.left !== null ? ` · ${duration(state.left)} left` : ""}` : "";
    if (note.textContent !== state.note) note.textContent = state.note;
    for (const [name, chart] of drawn) {
      if (state.curves.some((curve) => curve[0] === name)) continue;
      chart.svg.parentNode.remove();
      drawn.delete(name);
    }
    for (const curve of state.curves) drawChart(curve, state);
    replay.hidden = state.running || state.steps.length < 2;
    slider.max = Math.max(0, state.steps.length - 1);
    const [, frame] = model.get("frame");
    slider.value = frame < 0 ? slider.max : frame;
    moment.textContent = `after ${steps(state.shown)}`;
    slider.setAttribute("aria-valuetext", moment.textContent);
    select.value = JSON.stringify(model.get("chosen"));
    drawTokens(state);
    root.dataset.frames = String(Number(root.dataset.frames ?? 0) + 1);
  }

  const soon = () => { waiting ||= requestAnimationFrame(draw); };
  const changes = "change:_state change:frame change:chosen change:_gone";
  model.on(changes, soon);
  pause();
  soon();
  return () => {
    gone = true;
    cancelAnimationFrame(waiting);
    pause();
    line?.close();
    model.off(changes, soon);
  };
}

export default { initialize: (context) => noteKernel(context), render };
