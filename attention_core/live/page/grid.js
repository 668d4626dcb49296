// A map's cells for assistive tools, and what pointer and keys do to them. A large map has only the cell
// under the cursor.

import { element, place, set } from "./dom.js";
import { ARROWS, taken } from "./keys.js";
import { within } from "./numbers.js";
import { inWords } from "./words.js";

/** @typedef {import("./frame.js").Cell} Cell */
/** @typedef {import("./frame.js").Scene} Scene */
/** @typedef {import("./head.js").HeadView} HeadView */

/**
 * @typedef {object} Actions what heatmap.js does on a reader's wish
 * @property {(cell: Cell, focus?: boolean) => void} moveTo
 * @property {(row: number) => void} pin or free it again
 * @property {() => void} free all rows
 */

const CELLS_WITH_NAMES = 1024; // above this, only the cell under the cursor exists for assistive tools

/** @param {Scene} scene */
const areFew = ({ frame }) => frame.rows * frame.columns * frame.heads <= CELLS_WITH_NAMES;

/**
 * All of them, or only the one under the cursor.
 * @param {HeadView} view @param {Scene} scene
 */
export function makeCells(view, scene, all = areFew(scene)) {
  const { frame, cursor } = scene;
  for (const row of all ? frame.queries.keys() : [cursor.row]) {
    const line = element("div", "ah-line", view.grid, { role: "row" });
    for (const column of all ? frame.keys.keys() : [cursor.column]) {
      putCell(view, scene, row, column, element("div", "ah-target", line, { role: "gridcell", tabindex: "-1" }));
    }
  }
  rove(view, cursor);
}

/** @param {HeadView} view @param {Scene} scene @param {number} row @param {number} column @param {HTMLElement} cell */
function putCell(view, scene, row, column, cell) {
  cell.parentElement?.setAttribute("aria-rowindex", String(row + 1));
  cell.setAttribute("aria-colindex", String(column + 1));
  const { x, y } = view.size;
  place(cell, { left: column * x, top: row * y, width: x, height: y });
  view.cells.set(`${row},${column}`, cell);
  nameCell(view, scene, row, column, cell);
}

/** @param {HeadView} view @param {Scene} scene @param {number} row @param {number} column @param {HTMLElement} cell */
function nameCell(view, { frame, pinned }, row, column, cell) {
  const name = inWords(frame, { head: view.head, row, column }).join("");
  set(cell, { "aria-label": name, "aria-selected": pinned.includes(row) });
}

/**
 * Where only the cell under the cursor was made, so that the map stands sooner, the others.
 * @param {HeadView} view @param {Scene} scene
 */
export function makeOthers(view, scene) {
  if (!areFew(scene) || view.cells.size === scene.frame.rows * scene.frame.columns) return;
  const focused = view.grid.contains(document.activeElement);
  view.grid.replaceChildren();
  view.cells.clear();
  makeCells(view, scene);
  if (focused) focusCell(view, scene.cursor);
}

/** @param {HeadView} view @param {Scene} scene */
export function nameCells(view, scene) {
  for (const [where, cell] of view.cells) {
    const [row, column] = where.split(",").map(Number);
    nameCell(view, scene, row, column, cell);
  }
}

/**
 * The cell under the cursor has its name, and is the one that Tab finds.
 * @param {HeadView} view @param {Scene} scene @param {boolean} focus
 */
export function moveCell(view, scene, focus) {
  const { row, column } = scene.cursor;
  const here = cellAt(view, scene.cursor);
  if (here) nameCell(view, scene, row, column, here); // frames may have come since
  else {
    const [only] = view.cells.values(); // the very same one: a new one would not have the focus
    view.cells.clear();
    putCell(view, scene, row, column, only);
  }
  rove(view, scene.cursor);
  if (focus) focusCell(view, scene.cursor);
}

/** @param {HeadView} view @param {Cell} cursor */
function rove(view, cursor) {
  view.grid.querySelector('[tabindex="0"]')?.setAttribute("tabindex", "-1");
  cellAt(view, cursor)?.setAttribute("tabindex", "0");
}

/** @param {HeadView} view @param {Cell} cursor */
export const focusCell = (view, cursor) => cellAt(view, cursor)?.focus({ preventScroll: true });

/** @param {HeadView} view @param {Cell} cursor */
const cellAt = (view, { row, column }) => view.cells.get(`${row},${column}`);

/** @param {HeadView} view @param {Scene} scene @param {Actions} actions */
export function listen(view, scene, { moveTo, pin, free }) {
  const { grid, head } = view;
  grid.addEventListener("pointermove", (event) => { if (event.pointerType !== "touch") moveTo(cellUnder(view, scene, event)); });
  grid.addEventListener("click", (event) => {
    const before = scene.cursor;
    moveTo(cellUnder(view, scene, event));
    const { cursor } = scene;
    const again = before.head === cursor.head && before.row === cursor.row && before.column === cursor.column;
    const tapped = /** @type {PointerEvent} */ (event).pointerType === "touch";
    if (!tapped || again) pin(cursor.row); // a first tap looks, a second one pins
    focusCell(view, cursor);
  });
  grid.addEventListener("keydown", (event) => {
    const to = cellByKey(scene, head, event);
    if (to) moveTo(to, true);
    else if (event.key === "Enter" || event.key === " ") pin(scene.cursor.row);
    else if (event.key === "Escape" && scene.pinned.length) free(); // a second one leaves the map, see keys.js
    else return;
    taken(event);
  });
  grid.addEventListener("focusin", () => { if (scene.cursor.head !== head) moveTo({ ...scene.cursor, head }); });
}

/** @param {HeadView} view @param {Scene} scene @param {MouseEvent} event @returns {Cell} */
function cellUnder({ grid, head }, { frame }, event) {
  const box = grid.getBoundingClientRect(); // scaled, when the page is zoomed by CSS
  const row = Math.floor(((event.clientY - box.top) / box.height) * frame.rows);
  const column = Math.floor(((event.clientX - box.left) / box.width) * frame.columns);
  return { head, row: within(row, 0, frame.rows - 1), column: within(column, 0, frame.columns - 1) };
}

/**
 * Where a key leads; null for one that leads nowhere.
 * @param {Scene} scene @param {number} head @param {{ key: string, ctrlKey: boolean }} event @returns {Cell | null}
 */
export function cellByKey({ frame, cursor: { row, column } }, head, { key, ctrlKey }) {
  const [lastRow, lastColumn] = [frame.rows - 1, frame.columns - 1];
  const [right, up] = ARROWS[key] ?? [0, 0];
  /** @type {Record<string, number[]>} */
  const far = {
    PageUp: [row - 10, column], PageDown: [row + 10, column],
    Home: [ctrlKey ? 0 : row, 0], End: [ctrlKey ? lastRow : row, lastColumn],
  };
  const to = far[key] ?? (ARROWS[key] && [row - up, column + right]);
  return to ? { head, row: within(to[0], 0, lastRow), column: within(to[1], 0, lastColumn) } : null;
}
