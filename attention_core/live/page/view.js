// What the page of every view has: a root with keys of its own, changes drawn once a frame, its explorer's
// controls described, and nothing sent to a kernel that has gone.

import { onTheme } from "./colour.js";
import { describeControls } from "./controls.js";
import { countFrame, element } from "./dom.js";
import { noteKernel } from "./kernel.js";
import { ownKeys } from "./keys.js";
import { onChange } from "./model.js";
import { atOnce, inNextFrame } from "./schedule.js";

/**
 * @template {{ _gone?: boolean }} State
 * @typedef {object} Context
 * @property {import("./model.js").Model<State>} model
 * @property {HTMLElement} root
 * @property {(changes: Partial<State>) => void} put what the reader wants: sent to Python, unless nothing would come of it
 */

/**
 * A view for anywidget: `build` makes what stays, and returns what draws the model's present state; perhaps
 * also what ends it.
 * @template {{ _gone?: boolean }} State
 * @param {string} className of the root
 * @param {(keyof State & string)[]} traits whose changes are drawn
 * @param {(context: Context<State>) => { draw: () => void, end?: () => void }} build
 * @param {{ prompt?: boolean }} how prompt: a change is drawn at once, as the map beside it, not in the next frame
 */
export function view(className, traits, build, { prompt = false } = {}) {
  /** @param {{ model: import("./model.js").Model<State>, el: HTMLElement }} context */
  function render({ model, el }) {
    const root = element("div", className, el);
    ownKeys(root);
    /** @param {Partial<State>} changes */
    const put = (changes) => {
      if (model.get("_gone")) return;
      for (const name of /** @type {(keyof State)[]} */ (Object.keys(changes))) {
        model.set(name, /** @type {any} */ (changes[name]));
      }
      model.save_changes();
    };
    const { draw, end } = build({ model, root, put });
    /** @type {(() => void) | null} */
    let undescribe = null;
    const redraw = () => {
      if (root.isConnected) undescribe ??= describeControls(root);
      draw();
      countFrame(root);
    };
    const drawing = inNextFrame(redraw);
    const changing = atOnce(redraw);
    const off = onChange(model, [...traits, "_gone"], prompt ? changing.changed : drawing.soon);
    const unthemed = onTheme(drawing.soon); // what follows from a theme's colours, such as the ink on a tint
    let width = 0;
    const resized = new ResizeObserver(() => {
      if (!root.clientWidth || root.clientWidth === width) return; // out of sight, or: its height follows from what is drawn
      width = root.clientWidth;
      drawing.soon();
    });
    resized.observe(root);
    drawing.soon();
    return () => {
      drawing.stop();
      changing.stop();
      resized.disconnect();
      undescribe?.();
      off();
      unthemed();
      end?.();
    };
  }
  return { initialize: noteKernel, render };
}
