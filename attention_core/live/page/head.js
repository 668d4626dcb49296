// One head's map in the page: canvas, labels, sums, and the marks that follow cursor and pins.

import { element, place } from "./dom.js";
import { at, BLANK, isBlank, sumOf } from "./frame.js";
import { GAP_FROM, pitchOf, thinned } from "./layout.js";
import { two } from "./numbers.js";
import { gridName } from "./words.js";

/** @typedef {import("./frame.js").Cell} Cell */
/** @typedef {import("./frame.js").Frame} Frame */
/** @typedef {import("./frame.js").Scene} Scene */
/** @typedef {import("./layout.js").Size} Size */
/** @typedef {"query" | "key"} Side */
/** @typedef {{ i: number, node: HTMLElement }[]} Labels */

/**
 * @typedef {object} HeadView
 * @property {number} head
 * @property {Size} size
 * @property {HTMLCanvasElement} canvas
 * @property {HTMLElement} grid where the cells lie, for pointer and keys
 * @property {Map<string, HTMLElement>} cells "row,column" → the cell that assistive tools find; see grid.js
 * @property {HTMLElement} outline around a part, which it may have
 * @property {HTMLElement[]} lit the marks: row, column, two pins, cell
 * @property {{ query: Labels, key: Labels }} labels
 * @property {{ query: HTMLElement, key: HTMLElement }} here the cursor's own labels, which are bold
 * @property {{ rows: HTMLElement[], columns: HTMLElement[] } | null} sums
 */

const SUM_WIDTH = 30; // px: in narrower columns the sums stand upright

/** @param {HTMLElement} parent @param {Frame} frame @param {number} head @param {Size} size @param {boolean} withSums @returns {HeadView} */
export function makeHead(parent, frame, head, size, withSums) {
  const many = frame.heads > 1;
  const box = element("div", "ah-head", parent);
  const name = frame.names[head];
  const width = size.left + size.width + 26;
  if (many) {
    const title = element("div", "ah-head-name", box, { dir: "auto" });
    title.textContent = name;
    title.style.maxWidth = `${width - 14}px`; // a long one goes on below, and not up to its neighbour
  }
  const field = element("div", `ah-field${Math.min(size.x, size.y) < GAP_FROM ? " ah-fine" : ""}`, box);
  field.style.width = `${width}px`;
  field.style.height = `${size.top + size.height + (withSums ? 26 : 4)}px`;
  if (!many) nameAxes(field, frame, size);
  const cells = { left: size.left, top: size.top, width: size.width, height: size.height };
  const canvas = element("canvas", "ah-canvas", field, { "aria-hidden": "true" });
  place(canvas, cells);
  const labels = {
    query: thinned(frame.rows, size.y, pitchOf(frame.queries, "down")).map((i) => ({ i, node: label(field, "query", frame.queries[i], i, size) })),
    key: thinned(frame.columns, size.x, pitchOf(frame.keys, "across")).map((i) => ({ i, node: label(field, "key", frame.keys[i], i, size) })),
  };
  const sums = withSums ? makeSums(field, frame, size) : null;
  const grid = element("div", "ah-grid", field, {
    role: "grid", "aria-multiselectable": "true", "aria-rowcount": frame.rows, "aria-colcount": frame.columns,
    "aria-label": gridName(frame, many ? name : ""),
  });
  place(grid, cells);
  const spot = element("div", "ah-spot", field);
  place(spot, cells);
  const outline = element("div", "ah-outline", spot);
  const lit = ["ah-lit ah-lit-row", "ah-lit ah-lit-column", "ah-pin", "ah-pin", "ah-cell"].map((c) => element("div", c, field));
  const here = { query: label(field, "query", "", 0, size), key: label(field, "key", "", 0, size) };
  for (const node of Object.values(here)) node.classList.add("ah-here");
  return { head, size, canvas, grid, cells: new Map(), outline, lit, labels, here, sums };
}

/** @param {HTMLElement} field @param {Frame} frame @param {Size} size */
function nameAxes(field, { reading }, size) {
  const keys = element("span", "ah-axis", field);
  keys.textContent = `${reading?.columns ?? "keys: looked at"} →`;
  const queries = element("span", "ah-axis", field);
  queries.textContent = `${reading?.rows ?? "queries"} ↓`;
  keys.style.left = `${Math.max(size.left, 7 * queries.textContent.length)}px`; // beside it, however long its name is
  queries.style.top = `${size.top - 20}px`;
}

/** @param {HTMLElement} field @param {Side} side @param {string} text @param {number} i @param {Size} size */
function label(field, side, text, i, size) {
  const node = element("span", `ah-label ah-${side}`, field, { dir: "auto" });
  moveLabel(node, side, text, i, size);
  return node;
}

/** @param {HTMLElement} node @param {Side} side @param {string} text @param {number} i @param {Size} size */
function moveLabel(node, side, text, i, size) {
  if (node.textContent !== text) node.textContent = node.title = text; // else the page is laid out once more
  if (side === "query") place(node, { left: 0, top: size.top + (i + 0.5) * size.y - 9, width: size.left - 6, height: 18 });
  else {
    Object.assign(node.style, {
      left: `${size.left + (i + 0.5) * size.x}px`, top: `${size.top - 16}px`, maxWidth: `${size.keyWidth}px`,
    });
  }
}

/** @param {HTMLElement} field @param {Frame} frame @param {Size} size */
function makeSums(field, frame, size) {
  const rows = frame.queries.map((_, i) => {
    const node = element("span", "ah-sum", field);
    Object.assign(node.style, { left: `${size.left + size.width + 4}px`, top: `${size.top + (i + 0.5) * size.y - 9}px` });
    return node;
  });
  const columns = frame.keys.map((_, i) => {
    const node = element("span", `ah-sum ah-sum-column${size.x < SUM_WIDTH ? " ah-upright" : ""}`, field);
    Object.assign(node.style, { left: `${size.left + (i + 0.5) * size.x}px`, top: `${size.top + size.height + 4}px` });
    return node;
  });
  return { rows, columns };
}

/** @param {HeadView} view @param {Frame} frame */
export function showSums({ head, sums }, frame) {
  /** @param {Cell[]} cells nothing, where none of them has a number yet */
  const sum = (cells) => (cells.every((cell) => isBlank(frame, cell)) ? "" : two(sumOf(cells.map((cell) => frame.weights[at(frame, cell)]))));
  sums?.rows.forEach((node, row) => { node.textContent = sum(frame.keys.map((_, column) => ({ head, row, column }))); });
  sums?.columns.forEach((node, column) => { node.textContent = sum(frame.queries.map((_, row) => ({ head, row, column }))); });
}

/** @typedef {[number, number]} Span the first, and where it ends: as slices have it */

/**
 * Around a part of the map, rows and columns; nothing is around no part.
 * @param {HeadView} view @param {Frame} frame @param {[] | [Span, Span]} part
 */
export function showOutline({ size: { x, y }, outline }, frame, part) {
  const [top, bottom] = part.length ? part[0].map((row) => Math.min(row, frame.rows)) : [0, 0];
  const [left, right] = part.length ? part[1].map((column) => Math.min(column, frame.columns)) : [0, 0];
  outline.parentElement?.classList.toggle("ah-framed", Boolean(frame.allowed?.includes(BLANK)));
  outline.hidden = top >= bottom || left >= right;
  if (!outline.hidden) place(outline, { left: left * x, top: top * y, width: (right - left) * x, height: (bottom - top) * y });
}

/** @param {HeadView} view @param {Scene} scene */
export function showMarks({ size, lit, labels, here }, { frame, cursor, pinned }) {
  const [row, column, pinA, pinB, cell] = lit;
  const overRow = (/** @type {number} */ i) => ({ left: size.left, top: size.top + i * size.y, width: size.width, height: size.y });
  const left = size.left + cursor.column * size.x;
  place(row, overRow(cursor.row));
  place(column, { left, top: size.top, width: size.x, height: size.height });
  place(cell, { left, top: size.top + cursor.row * size.y, width: size.x, height: size.y });
  [pinA, pinB].forEach((node, i) => {
    node.hidden = i >= pinned.length;
    if (!node.hidden) place(node, overRow(pinned[i]));
  });
  moveLabel(here.query, "query", frame.queries[cursor.row], cursor.row, size);
  moveLabel(here.key, "key", frame.keys[cursor.column], cursor.column, size);
  makeWay(labels.query, cursor.row, size.y, pitchOf(frame.queries, "down"));
  makeWay(labels.key, cursor.column, size.x, pitchOf(frame.keys, "across"));
}

/**
 * For the cursor's own label.
 * @param {Labels} labels @param {number} i @param {number} pitch @param {number} least
 */
function makeWay(labels, i, pitch, least) {
  for (const label of labels) label.node.hidden = Math.abs(label.i - i) * pitch < least;
}
