// The controls of an explorer on a page without Jupyter: the browser's own, with the classes of ipywidgets'.

import { referred } from "./alone.js";
import { element, set } from "./dom.js";

/** @typedef {import("./alone.js").Alone} Alone */
/** @typedef {import("./alone.js").Models} Models */
/** @typedef {(model: Alone, root: HTMLElement) => (() => void) | void} Build makes what stays, and returns what draws the model's present state */

/** @type {Record<string, { className: string, build: Build }>} by the name of the model */
const CONTROLS = {
  IntSliderModel: {
    className: "widget-slider",
    build: (model, root) => slider(model, root, "value", () => ({ min: model.get("min"), max: model.get("max"), step: model.get("step") }), String),
  },
  SelectionSliderModel: {
    className: "widget-slider",
    build(model, root) {
      const options = () => model.get("_options_labels");
      return slider(model, root, "index", () => ({ min: 0, max: options().length - 1, step: 1 }), (i) => options()[i] ?? "");
    },
  },
  ToggleButtonsModel: { className: "widget-toggle-buttons", build: toggleButtons },
  DropdownModel: { className: "widget-dropdown", build: dropdown },
  CheckboxModel: { className: "widget-checkbox", build: checkbox },
  PlayModel: { className: "widget-play", build: play },
  TextModel: { className: "widget-text", build: text },
};

/** @param {Alone} model */
export const isControl = (model) => model.get("_model_name") in CONTROLS;

/**
 * The element of a control; null where the page has none for it, as for a button: only a kernel could act on it.
 * @param {Models} models @param {Alone} model
 */
export function control(models, model) {
  const { className, build } = CONTROLS[model.get("_model_name")] ?? {};
  if (!build) return null;
  const root = element("div", `jupyter-widgets ${className}`);
  laidOut(models, model, root);
  const draw = build(model, root);
  if (draw) { draw(); model.on("change", draw); }
  return root;
}

/**
 * As its layout says.
 * @param {Models} models @param {Alone} model @param {HTMLElement} root
 */
export function laidOut(models, model, root) {
  const layout = referred(models, model.get("layout"));
  for (const [name, value] of Object.entries(layout?.state ?? {})) {
    if (typeof value === "string" && !name.startsWith("_")) root.style.setProperty(name.replaceAll("_", "-"), value);
  }
}

/**
 * A label in words, in front of what it is for.
 * @param {Alone} model @param {HTMLElement} parent @param {"label" | "span"} [tag]
 */
function labelled(model, parent, tag = "label") {
  const label = element(tag, "widget-label", parent);
  label.textContent = model.get("description");
  return label;
}

let ids = 0;

/** @param {HTMLElement} label @param {HTMLElement} input */
function joined(label, input) {
  const id = `attention-control-${ids++}`;
  set(input, { id });
  set(label, { for: id });
}

/**
 * @param {Alone} model @param {HTMLElement} root @param {string} trait
 * @param {() => { min: number, max: number, step: number }} ends @param {(value: number) => string} written
 */
function slider(model, root, trait, ends, written) {
  const label = labelled(model, root);
  const input = element("input", "widget-range", root, { type: "range" });
  joined(label, input);
  const readout = element("output", "widget-readout", root, { for: input.id });
  input.oninput = () => model.set(trait, Number(input.value));
  return () => {
    set(input, ends());
    input.value = String(model.get(trait));
    input.disabled = Boolean(model.get("disabled"));
    const words = written(model.get(trait));
    if (readout.textContent !== words) readout.textContent = words;
    set(input, { "aria-valuetext": words });
  };
}

/** @type {Build} */
function toggleButtons(model, root) {
  labelled(model, root, "span"); // of a group: see controls.js
  /** @type {HTMLButtonElement[]} */
  let buttons = [];
  let made = "";
  return () => {
    const options = model.get("_options_labels");
    if (made !== options.join("\n")) {
      for (const button of buttons) button.remove();
      buttons = options.map((/** @type {string} */ option, /** @type {number} */ i) => {
        const button = element("button", "jupyter-button widget-toggle-button", root, { type: "button" });
        button.textContent = option;
        button.onclick = () => model.set("index", i);
        return button;
      });
      made = options.join("\n");
    }
    buttons.forEach((button, i) => {
      button.classList.toggle("mod-active", i === model.get("index"));
      set(button, { "aria-pressed": i === model.get("index") });
      button.disabled = Boolean(model.get("disabled"));
    });
  };
}

/** @type {Build} */
function dropdown(model, root) {
  const label = labelled(model, root);
  const select = element("select", "", root);
  joined(label, select);
  let made = "";
  select.onchange = () => model.set("index", select.selectedIndex);
  return () => {
    const options = model.get("_options_labels");
    if (made !== options.join("\n")) {
      select.replaceChildren(...options.map((/** @type {string} */ option) => {
        const one = element("option");
        one.textContent = option;
        return one;
      }));
      made = options.join("\n");
    }
    select.selectedIndex = model.get("index") ?? -1;
    select.disabled = Boolean(model.get("disabled"));
  };
}

/** @type {Build} */
function checkbox(model, root) {
  const label = element("label", "", root);
  const box = element("input", "", label, { type: "checkbox" });
  box.after(` ${model.get("description")}`);
  box.onchange = () => model.set("value", box.checked);
  return () => {
    box.checked = model.get("value");
    box.disabled = Boolean(model.get("disabled"));
  };
}

/** @type {Build} */
function text(model, root) {
  const label = labelled(model, root);
  const input = element("input", "", root, { type: "text" });
  joined(label, input);
  input.disabled = true; // what is typed only a kernel could answer
  return () => { input.value = model.get("value"); };
}

/** @type {Build} */
function play(model, root) {
  const [start, back] = ["▶", "↺"].map((sign) => {
    const button = element("button", "jupyter-button", root, { type: "button" });
    element("span", sign === "▶" ? "fa-play" : "", button).textContent = sign; // the class tells controls.js which it is
    return button;
  });
  let playing = 0;
  const stop = () => { clearInterval(playing); playing = 0; sign(); };
  const sign = () => {
    const face = /** @type {HTMLElement} */ (start.firstElementChild);
    face.className = playing ? "fa-pause" : "fa-play";
    face.textContent = playing ? "❚❚" : "▶";
    set(start, { "aria-label": playing ? "Pause" : "Play" });
  };
  start.onclick = () => {
    if (playing) { stop(); return; }
    if (model.get("value") >= model.get("max")) model.set("value", model.get("min"));
    playing = window.setInterval(() => {
      model.set("value", Math.min(model.get("max"), model.get("value") + model.get("step")));
      if (model.get("value") >= model.get("max")) stop();
    }, model.get("interval"));
    sign();
  };
  back.onclick = () => { stop(); model.set("value", model.get("min")); };
  set(back, { "aria-label": "Back to the start" });
  sign();
  return () => { start.disabled = back.disabled = Boolean(model.get("disabled")); };
}
