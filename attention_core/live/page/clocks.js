// The table of sinusoids as a map with two positions to slide, and a clock for each pair of its rows. Python
// computes it; here it is drawn, and what is moved is sent back.

import { floats } from "./bytes.js";
import { readPalette } from "./colour.js";
import { drawDial, makeDials } from "./dials.js";
import { element, set, shape } from "./dom.js";
import { RUN_AGAIN } from "./kernel.js";
import { ARROWS, onDrag, taken } from "./keys.js";
import { within } from "./numbers.js";
import { view } from "./view.js";

/**
 * @typedef {object} SentFrame what Python sends
 * @property {[number, number]} shape positions, dimensions
 * @property {DataView} table float32, position by position
 */

/**
 * @typedef {object} State
 * @property {SentFrame | { shape?: undefined }} _frame without a shape there is nothing to show yet
 * @property {DataView} _palette 256 × red, green, blue, ink
 * @property {number} position
 * @property {number} distance
 * @property {number} pair
 * @property {string} message a remark above it
 * @property {boolean} [_gone]
 */

/** @typedef {{ sent: SentFrame, n: number, dim: number, table: Float32Array }} Frame */

const LEFT = 46; // px, for the numbers of the dimensions
const TOP = 26; // for the flag of the position
const HEIGHT = 352; // of the map
const WIDEST = 620;
const DIAL = 42; // a clock's diameter; its column is shared with others where rows are thin

const HOW = "Drag over the map, or use the arrow keys on a flag: the upper one slides both positions, the lower "
  + "one changes their distance. Point at a clock to pick it.";

/**
 * What the drawing measures, for a table and a page's width: pure arithmetic.
 * @param {{ n: number, dim: number }} table @param {number} room
 */
export function measure({ n, dim }, room) {
  const pairs = dim / 2;
  const row = HEIGHT / pairs;
  const abreast = Math.min(6, pairs, Math.ceil((DIAL + 4) / row));
  const dial = Math.min(abreast === 1 ? 58 : DIAL, abreast * row - 4);
  const clocks = abreast * (dial + 6);
  const width = Math.min(WIDEST, Math.max(240, (room || 860) - LEFT - clocks - 26));
  return { row, abreast, dial, width, pitch: width / n, right: LEFT + width + 18, whole: LEFT + width + 18 + clocks };
}

/**
 * Where a key on a flag leads; null for one that leads nowhere.
 * @param {number} now @param {number} last @param {string} key
 */
export function positionByKey(now, last, key) {
  const arrow = ARROWS[key];
  if (arrow) return now + arrow[0] + arrow[1];
  return { PageDown: now - 10, PageUp: now + 10, Home: 0, End: last }[key] ?? null;
}

/**
 * One pixel a cell; the page stretches it. Rows are dimensions, columns are positions.
 * @param {Frame} frame @param {Uint32Array} colours
 */
function paint({ table, n, dim }, colours) {
  const canvas = element("canvas");
  [canvas.width, canvas.height] = [n, dim];
  const image = new ImageData(n, dim);
  const pixels = new Uint32Array(image.data.buffer);
  table.forEach((s, i) => {
    pixels[(i % dim) * n + Math.floor(i / dim)] = colours[Math.round(within((s + 1) / 2, 0, 1) * 255)];
  });
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  return canvas.toDataURL();
}

/** @typedef {import("./view.js").Context<State>} Context */

const SHOWN = /** @type {const} */ (["_frame", "position", "distance", "pair", "message"]);

export default view("sm", [...SHOWN], (/** @type {Context} */ { model, root, put }) => {
  const palette = readPalette(model.get("_palette"));
  const message = element("div", "sm-message", root, { role: "status" });
  const above = shape("svg", root, { role: "group", "aria-label": "Sinusoids: a map of positions and dimensions, and clocks" });
  const caption = element("div", "sm-caption", root);
  caption.append(HOW);
  const legend = element("span", "sm-legend", caption);
  legend.append("−1");
  element("span", "sm-ramp", legend).style.background = palette.gradient;
  legend.append("1");

  /** @type {Frame} */
  let frame;
  /** @type {ReturnType<measure>} */
  let at;
  /** @type {ReturnType<makeParts> | null} */
  let parts = null; // the nodes that move
  let made = ""; // what the layout was made for
  /** @type {SentFrame | null} */
  let painted = null;

  const slide = (/** @type {number} */ p) => put({ position: within(p, 0, frame.n - 1 - model.get("distance")) });
  const stretch = (/** @type {number} */ p) => put({ distance: within(p - model.get("position"), 0, frame.n - 1 - model.get("position")) });
  const pick = (/** @type {number} */ pair) => put({ pair: within(pair, 0, frame.dim / 2 - 1) });

  // ---- layout: made anew when the number of dimensions or the page's width changes

  function layout() {
    const had = root.contains(document.activeElement) ? document.activeElement?.getAttribute("data-part") : null;
    at = measure(frame, root.clientWidth);
    set(above, { viewBox: `0 0 ${at.whole} ${TOP + HEIGHT + 40}`, width: at.whole });
    above.replaceChildren();
    parts = makeParts();
    painted = null;
    /** @type {SVGElement | null} */ (above.querySelector(`[data-part="${had}"]`))?.focus({ preventScroll: true });
  }

  function makeParts() {
    const { row, width, pitch, right } = at;
    const pairs = frame.dim / 2;
    const image = shape("image", above, { x: LEFT, y: TOP, width, height: HEIGHT, preserveAspectRatio: "none", class: "sm-map" });
    const every = Math.ceil(15 / row);
    for (let i = 0; i < pairs; i += every) {
      shape("text", above, { x: LEFT - 6, y: TOP + (i + 0.5) * row + 4, "text-anchor": "end" }, every === 1 ? `${2 * i}, ${2 * i + 1}` : 2 * i);
    }
    shape("text", above, { x: 0, y: 12 }, "dimension ↓");
    const step = Math.ceil(frame.n / 8);
    for (let p = 0; p < frame.n; p += step) shape("text", above, { x: LEFT + (p + 0.5) * pitch, y: TOP + HEIGHT + 14, "text-anchor": "middle" }, p);
    shape("text", above, { x: LEFT + width, y: TOP + HEIGHT + 34, "text-anchor": "end" }, "position →");
    const rows = ["sm-halo", "sm-rows"].map((name) => shape("rect", above, { class: name, x: LEFT, width, height: row }));
    const leader = shape("line", above, { class: "sm-leader" });
    const columns = ["sm-halo", "sm-column sm-there", "sm-halo", "sm-column sm-here"].map((name) =>
      shape("rect", above, { class: name, y: TOP, width: pitch, height: HEIGHT }));
    const flags = [flag("position", "Position", TOP - 21, slide), flag("other", "Other position", TOP + HEIGHT + 3, stretch)];
    shape("text", above, { x: right, y: TOP + HEIGHT + 34 }, "clocks: sin →, cos ↑");
    return { image, rows, leader, columns, flags, clocks: makeDials(above, { ...at, left: right, top: TOP }, pairs, pick) };
  }

  /** @param {"position" | "other"} part @param {string} label @param {number} y @param {(p: number) => void} move */
  function flag(part, label, y, move) {
    const group = shape("g", above, {
      class: `sm-flag sm-${part === "position" ? "here" : "there"}`, role: "slider", tabindex: "0",
      "data-part": part, "aria-label": label, "aria-valuemin": 0, "aria-valuemax": frame.n - 1,
    });
    shape("rect", group, { class: "sm-tab", x: -15, y, width: 30, height: 18, rx: 5 });
    const text = shape("text", group, { y: y + 13, "text-anchor": "middle" });
    onDrag(group, (event) => move(columnOf(event)));
    group.addEventListener("keydown", (event) => {
      const now = model.get("position") + (part === "position" ? 0 : model.get("distance"));
      const to = positionByKey(now, frame.n - 1, event.key);
      if (to !== null) { move(to); taken(event); }
    });
    return { group, text };
  }

  /** @param {PointerEvent} event */
  function columnOf(event) {
    const box = parts?.image.getBoundingClientRect();
    return box ? Math.floor(((event.clientX - box.left) / box.width) * frame.n) : 0;
  }

  above.addEventListener("pointerdown", (event) => {
    if (!parts || event.target !== parts.image) return;
    above.setPointerCapture(event.pointerId);
    const box = parts.image.getBoundingClientRect();
    pick(Math.floor(((event.clientY - box.top) / box.height) * (frame.dim / 2)));
    slide(columnOf(event));
    parts.flags[0].group.focus({ preventScroll: true });
    event.preventDefault();
  });
  above.addEventListener("pointermove", (event) => { if (above.hasPointerCapture(event.pointerId)) slide(columnOf(event)); });

  // ---- what moves with the positions

  /** @param {ReturnType<makeParts>} parts */
  function drawPositions({ columns, flags, rows, leader, clocks }) {
    const here = within(model.get("position"), 0, frame.n - 1);
    const there = within(here + model.get("distance"), 0, frame.n - 1);
    const pair = within(model.get("pair"), 0, frame.dim / 2 - 1);
    columns.forEach((node, i) => set(node, { x: LEFT + (i < 2 ? there : here) * at.pitch }));
    [here, there].forEach((p, i) => {
      const { group, text } = flags[i];
      set(group, { transform: `translate(${LEFT + (p + 0.5) * at.pitch} 0)`, "aria-valuenow": p, "aria-valuetext": `position ${p}` });
      text.textContent = String(p);
    });
    for (const node of rows) set(node, { y: TOP + pair * at.row });
    set(leader, { x1: LEFT + at.width, x2: clocks[pair].edge, y1: clocks[pair].y, y2: clocks[pair].y });
    /** @param {number} p @param {number} i @returns {[sin: number, cos: number]} */
    const tip = (p, i) => [frame.table[p * frame.dim + 2 * i], frame.table[p * frame.dim + 2 * i + 1]];
    clocks.forEach((clock, i) => drawDial(clock, i, tip(here, i), tip(there, i), here, i === pair));
  }

  function draw() {
    const sent = model.get("_frame");
    if (!sent.shape) return;
    if (frame?.sent !== sent) frame = { sent, n: sent.shape[0], dim: sent.shape[1], table: floats(sent.table) };
    const making = `${frame.n} ${frame.dim} ${root.clientWidth}`;
    if (making !== made) { made = making; layout(); }
    if (!parts) return;
    if (painted !== sent) {
      painted = sent;
      set(parts.image, { href: paint(frame, palette.packed) });
    }
    drawPositions(parts);
    const remark = model.get("_gone") ? RUN_AGAIN : model.get("message");
    if (message.textContent !== remark) message.textContent = remark;
  }
  return { draw };
});
