// A table of signed numbers, tinted. An editable one is a grid: a cell under the cursor, which keys and two
// buttons change by whole steps. Python adds; the page only says which cell, and by how much.

import { element, keepRoom, set } from "./dom.js";
import { RUN_AGAIN } from "./kernel.js";
import { ARROWS, taken } from "./keys.js";
import { write } from "./marked.js";
import { within } from "./numbers.js";
import { view } from "./view.js";

/**
 * @typedef {object} Frame what Python sends
 * @property {string} said about the table, see marked.js
 * @property {string[]} rows their names
 * @property {string[]} columns
 * @property {string[][]} texts what stands in the cells
 * @property {number[][]} shares from −1 to 1
 * @property {number[]} marked rows
 * @property {number[]} markedColumns
 */

/** @typedef {{ row: number, column: number }} Place */
/** @typedef {{ _frame: Frame, editable: boolean, _gone?: boolean }} State */
/** @typedef {{ key: string, shiftKey: boolean, ctrlKey: boolean, altKey: boolean, metaKey: boolean }} Key */

/** @type {Record<string, number | undefined>} */
const STEPS = { "+": 1, "=": 1, PageUp: 1, "-": -1, "−": -1, _: -1, PageDown: -1 };

/**
 * By how many steps a key changes the cell under the cursor; 0 for a key that means something else.
 * @param {Key} pressed
 */
export function stepByKey({ key, shiftKey, ctrlKey, altKey, metaKey }) {
  if (ctrlKey || altKey || metaKey) return 0; // the page's zoom, and others'
  const [, up] = ARROWS[key] ?? [0, 0];
  return STEPS[key] ?? (shiftKey ? up : 0);
}

/**
 * Where a key leads; null for one that leads nowhere.
 * @param {Frame} frame @param {Place} cursor @param {{ key: string, ctrlKey: boolean }} pressed @returns {Place | null}
 */
export function placeByKey({ rows, columns }, { row, column }, { key, ctrlKey }) {
  const last = { row: rows.length - 1, column: columns.length - 1 };
  if (key === "Home") return { row: ctrlKey ? 0 : row, column: 0 };
  if (key === "End") return { row: ctrlKey ? last.row : row, column: last.column };
  const arrow = ARROWS[key];
  return arrow ? { row: within(row - arrow[1], 0, last.row), column: within(column + arrow[0], 0, last.column) } : null;
}

/**
 * A cell in words.
 * @param {Frame} frame @param {Place} place
 */
export const nameOf = ({ rows, columns, texts }, { row, column }) =>
  `${rows[row]}, ${columns[column]}: ${texts[row]?.[column] || "empty"}`;

/**
 * Where the cursor is at first: at the largest number of the rows that are marked, or of all.
 * @param {Frame} frame @returns {Place}
 */
export function firstPlace({ shares, marked }) {
  const best = { row: marked[0] ?? 0, column: 0, size: -1 };
  for (const row of marked.length ? marked : shares.keys()) {
    shares[row].forEach((share, column) => {
      if (Math.abs(share) > best.size) Object.assign(best, { row, column, size: Math.abs(share) });
    });
  }
  return { row: best.row, column: best.column };
}

/** @typedef {import("./view.js").Context<State>} Context */

export default view("tb", ["_frame", "editable"], (/** @type {Context} */ { model, root }) => {
  const said = element("div", "tb-said", root, { role: "status" });
  const table = element("table", "tb-table", root);
  const foot = element("div", "tb-foot", root);
  const less = element("button", "tb-button", foot, { type: "button", "aria-label": "one less" });
  const more = element("button", "tb-button", foot, { type: "button", "aria-label": "one more" });
  [less.textContent, more.textContent] = ["−", "+"];
  const here = element("span", "tb-here", foot, { "aria-live": "polite" });
  element("span", "tb-hint", foot).textContent = "Shift + ↑ ↓";
  /** @type {Place | null} */
  let cursor = null;
  let made = ""; // what the table was made for
  /** @type {HTMLTableCellElement[][]} row by row, names among them */
  let cells = [];

  /** @param {Frame} frame @param {boolean} editable */
  function make({ rows, columns }, editable) {
    table.replaceChildren();
    const line = () => element("tr", "", table);
    const top = line();
    element("td", "", top);
    const names = columns.map(() => element("th", "", top, { scope: "col" }));
    cells = [names, ...rows.map((_, row) => {
      const here = line();
      const name = element("th", "", here, { scope: "row" });
      return [name, ...columns.map((_, column) => {
        const cell = element("td", "tb-cell", here, editable ? { role: "gridcell", tabindex: -1 } : {});
        if (editable) cell.addEventListener("focus", () => { cursor = { row, column }; showCursor(); });
        return cell;
      })];
    })];
    if (editable) set(table, { role: "grid", "aria-rowcount": rows.length, "aria-colcount": columns.length });
    else table.removeAttribute("role");
  }

  /** @param {Place} place */
  const cellAt = ({ row, column }) => cells[row + 1]?.[column + 1];

  function showCursor() {
    if (!cursor) return;
    const frame = model.get("_frame");
    table.querySelector('[tabindex="0"]')?.setAttribute("tabindex", "-1");
    table.querySelector('[aria-selected="true"]')?.setAttribute("aria-selected", "false");
    set(cellAt(cursor), { tabindex: 0, "aria-selected": true });
    const name = nameOf(frame, cursor);
    if (here.textContent !== name) here.textContent = name; // the same words are not read out again
  }

  /** @param {number} steps */
  function change(steps) {
    if (cursor && !model.get("_gone")) model.send({ step: [cursor.row, cursor.column, steps] });
  }

  less.onclick = () => change(-1);
  more.onclick = () => change(1);
  table.addEventListener("keydown", (event) => {
    if (!model.get("editable") || !cursor) return;
    const steps = stepByKey(event);
    const to = steps ? null : placeByKey(model.get("_frame"), cursor, event);
    if (steps) change(steps);
    else if (to) cellAt(to).focus({ preventScroll: true });
    else return;
    taken(event);
  });

  function draw() {
    const frame = model.get("_frame");
    const { rows, columns, texts, shares, marked, markedColumns } = frame;
    const editable = model.get("editable");
    const gone = Boolean(model.get("_gone"));
    keepRoom(root, !rows.length && !frame.said);
    write(said, gone ? RUN_AGAIN : frame.said);
    table.hidden = !rows.length;
    foot.hidden = !rows.length || !editable;
    less.disabled = more.disabled = gone;
    const making = `${rows.length} × ${columns.length}, ${editable}`;
    if (making !== made) { made = making; cursor = null; make(frame, editable); }
    table.setAttribute("aria-label", said.textContent || "numbers");
    columns.forEach((name, column) => { cells[0][column].textContent = name; });
    rows.forEach((name, row) => {
      const line = cells[row + 1];
      line[0].textContent = line[0].title = name;
      line[0].parentElement?.classList.toggle("tb-marked", marked.includes(row));
      texts[row].forEach((text, column) => {
        const cell = line[column + 1];
        const share = shares[row][column];
        if (cell.textContent !== text) cell.textContent = text;
        cell.classList.toggle("tb-below", share < 0);
        cell.classList.toggle("tb-nought", share === 0);
        cell.classList.toggle("tb-strong", markedColumns.includes(column));
        cell.style.setProperty("--tb-share", `${Math.round(100 * Math.abs(share))}%`);
        if (editable) set(cell, { "aria-label": nameOf(frame, { row, column }) });
      });
    });
    if (!editable || !rows.length) return;
    cursor ??= firstPlace(frame);
    showCursor();
  }
  return { draw };
});
