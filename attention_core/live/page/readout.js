// The panel beside a map: what the cursor is on, in words, with the arithmetic behind it and its row.

import { element, tableRow, worded } from "./dom.js";
import { at, mayLook, rowOf, sumOf } from "./frame.js";
import { quoted, two, within } from "./numbers.js";
import { arithmetic, inWords } from "./words.js";

/** @typedef {import("./frame.js").Scene} Scene */

const LARGEST = 6; // keys of a row that are listed

/**
 * Fills the panel; returns what shows a scene in it.
 * @param {HTMLElement} panel
 */
export function makeReadout(panel) {
  element("div", "ah-heading", panel).textContent = "This cell";
  const say = element("p", "ah-say", panel, { "aria-live": "polite" });
  const inHeads = element("table", "ah-bars ah-in-heads", panel, { "aria-label": "This cell in every head" });
  const steps = element("table", "ah-steps", panel);
  const rowHeading = element("div", "ah-heading ah-row-heading", panel);
  const bars = element("table", "ah-bars", panel);

  return (/** @type {Scene} */ scene) => {
    const { frame, cursor, pinned } = scene;
    const parts = inWords(frame, cursor).map((text, i) => (i % 2 ? text : worded("em", text)));
    if (frame.heads > 1) parts.unshift(`${frame.names[cursor.head]}: `);
    const sentence = parts.map((part) => (typeof part === "string" ? part : part.textContent)).join("");
    if (say.textContent !== sentence) say.replaceChildren(...parts); // the same words are not read out again
    inHeads.replaceChildren(...(frame.heads > 1 ? frame.names.map((_, head) => inHead(scene, head)) : []));
    steps.replaceChildren(...arithmetic(frame, cursor).map(tableRow));
    showRows(scene, pinned.length ? pinned : [cursor.row], rowHeading, bars);
  };
}

/**
 * The cell under the cursor, as another head weighs it.
 * @param {Scene} scene @param {number} head
 */
function inHead({ frame, cursor }, head) {
  const cell = { ...cursor, head };
  const here = head === cursor.head ? worded("em", frame.names[head]) : frame.names[head];
  const w = frame.weights[at(frame, cell)];
  const line = tableRow(mayLook(frame, cell) ? [here, two(w), bar(w, 0, 1)] : [here, "may not look"]);
  line.cells[0].style.maxWidth = "none"; // a head's name is read in full
  return line;
}

/**
 * What one row shares out, or two side by side.
 * @param {Scene} scene @param {number[]} rows @param {HTMLElement} heading @param {HTMLElement} bars
 */
function showRows({ frame, cursor }, rows, heading, bars) {
  const shares = rows.map((row) => rowOf(frame, cursor.head, row));
  const sums = shares.map(sumOf);
  heading.replaceChildren(...rows.flatMap((row, i) => [
    i ? " · " : "", worded("em", quoted(frame.queries[row])),
    sums[i] === 0 ? " may look nowhere: it shares out 0" : ` shares out ${two(sums[i])}`,
  ]));
  const largest = (/** @type {number} */ column) => Math.max(...shares.map((share) => share[column]));
  const columns = [...frame.keys.keys()].sort((a, b) => largest(b) - largest(a)).slice(0, LARGEST);
  bars.replaceChildren(...columns.map((column) => tableRow([
    frame.keys[column], ...shares.flatMap((share, i) => [two(share[column]), bar(share[column], i, rows.length)]),
  ])));
}

/** @param {number} w @param {number} i @param {number} of */
function bar(w, i, of) {
  const node = element("span", `ah-bar ah-bar-${i}`);
  node.style.width = `${within(w || 0, 0, 1.5) * (of > 1 ? 70 : 150)}px`;
  return node;
}
