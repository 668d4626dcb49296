// A plane with named points. Python owns the fixed ones; the reader drags the movable ones, or moves
// them with the arrow keys. Nothing is computed here but where things are drawn.

import { element, set, shape } from "./dom.js";
import { RUN_AGAIN } from "./kernel.js";
import { ARROWS, onDrag, taken } from "./keys.js";
import { two, within } from "./numbers.js";
import { view } from "./view.js";

/** @typedef {[x: number, y: number]} Point */

/**
 * @typedef {object} State
 * @property {Record<string, Point>} _fixed
 * @property {Record<string, Point>} _movable
 * @property {Record<string, number | null>} _sizes from 0 to 1; null is not drawn
 * @property {string[]} _arrows
 * @property {Point[]} _outline
 * @property {number} reach
 * @property {string} title
 * @property {boolean} [_gone]
 */

const SIDE = 300; // px, of the drawing's own coordinates
const STEP = 0.1; // of an arrow key, in the plane's units

/**
 * On which side of its point each name stands: left of one near the right edge, below one whose place above
 * an earlier one has taken. plane.py has the same rule for the still picture.
 * @param {Point[]} points @param {number} reach
 */
export function nameSides(points, reach) {
  return points.map(([x, y], i) => ({
    left: x > 0.44 * reach,
    below: points.slice(0, i).some(([a, b]) => Math.abs(x - a) < 0.4 * reach && Math.abs(y - b) < 0.1 * reach),
  }));
}

/** @typedef {import("./view.js").Context<State>} Context */

const SHOWN = /** @type {const} */ (["_movable", "_fixed", "_sizes", "_outline", "title", "reach"]);

export default view("plane", [...SHOWN], (/** @type {Context} */ { model, root, put }) => {
  const title = element("div", "plane-title", root);
  const said = element("div", "plane-said", root, { role: "status" });
  const svg = shape("svg", root, { viewBox: `0 0 ${SIDE} ${SIDE}`, class: "plane-field", role: "group" });
  const reach = () => model.get("reach");
  const across = (/** @type {number} */ x) => (x / reach() + 1) * (SIDE / 2);
  const down = (/** @type {number} */ y) => (1 - y / reach()) * (SIDE / 2);

  shape("line", svg, { class: "plane-axis", x1: 0, x2: SIDE, y1: SIDE / 2, y2: SIDE / 2 });
  shape("line", svg, { class: "plane-axis", y1: 0, y2: SIDE, x1: SIDE / 2, x2: SIDE / 2 });
  const outline = shape("polygon", svg, { class: "plane-hull" });
  /** @type {Map<string, ReturnType<makeMark>>} */
  const marks = new Map();
  for (const name of Object.keys(model.get("_fixed"))) marks.set(name, makeMark(name, false));
  for (const name of Object.keys(model.get("_movable"))) marks.set(name, makeMark(name, true));

  /** @param {string} name @param {boolean} movable */
  function makeMark(name, movable) {
    const group = shape("g", svg, { class: movable ? "plane-point plane-movable" : "plane-point" });
    const arrow = model.get("_arrows").includes(name) ? shape("line", group, { class: "plane-arrow", x1: across(0), y1: down(0) }) : null;
    const dot = shape("circle", group);
    const label = shape("text", group, {}, name);
    if (movable) {
      set(group, {
        tabindex: 0, role: "slider", "aria-label": `${name}: arrow keys move it`, "aria-valuemin": -reach(), "aria-valuemax": reach(),
      });
      onDrag(group, (event) => drag(name, event));
      group.addEventListener("keydown", (event) => step(name, event));
    }
    return { group, movable, arrow, dot, label };
  }

  /** @param {string} name @param {number} x @param {number} y */
  function move(name, x, y) {
    const inside = (/** @type {number} */ v) => Math.round(within(v, -reach(), reach()) * 100) / 100;
    put({ _movable: { ...model.get("_movable"), [name]: [inside(x), inside(y)] } });
  }

  /** @param {string} name @param {PointerEvent} event */
  function drag(name, event) {
    const box = svg.getBoundingClientRect();
    move(name, ((event.clientX - box.left) / box.width * 2 - 1) * reach(), (1 - (event.clientY - box.top) / box.height * 2) * reach());
  }

  /** @param {string} name @param {KeyboardEvent} event */
  function step(name, event) {
    const arrow = ARROWS[event.key];
    if (!arrow) return;
    const [x, y] = model.get("_movable")[name];
    move(name, x + arrow[0] * STEP, y + arrow[1] * STEP);
    taken(event);
  }

  function draw() {
    title.textContent = model.get("title");
    said.textContent = model.get("_gone") ? RUN_AGAIN : "";
    svg.setAttribute("aria-label", model.get("title") || "a plane with points");
    outline.setAttribute("points", model.get("_outline").map(([x, y]) => `${across(x)},${down(y)}`).join(" "));
    const sizes = model.get("_sizes");
    for (const [name, { group }] of marks) group.style.display = sizes[name] === null ? "none" : "";
    const points = Object.entries({ ...model.get("_movable"), ...model.get("_fixed") }).filter(([name]) => sizes[name] !== null);
    const sides = nameSides(points.map(([, at]) => at), reach());
    points.forEach(([name, [x, y]], i) => {
      const mark = marks.get(name);
      if (!mark) return;
      const [cx, cy] = [across(x), down(y)];
      const r = 5 + 11 * Math.sqrt(within(sizes[name] ?? 0.02, 0, 1));
      set(mark.dot, { cx, cy, r });
      if (mark.arrow) set(mark.arrow, { x2: cx, y2: cy });
      const { left, below } = sides[i];
      set(mark.label, {
        "text-anchor": left ? "end" : "start", x: cx + (left ? -r - 4 : r + 4),
        y: below ? Math.min(SIDE - 4, cy + r + 12) : Math.max(14, cy - 5),
      });
      if (mark.movable) set(mark.group, { "aria-valuetext": `at ${two(x)}, ${two(y)}`, "aria-valuenow": x.toFixed(2) });
    });
  }

  return { draw };
});
