// The panel beside a map: what the cursor is on, in words, with the arithmetic behind it and its row.

import { element, refill, tableRow, worded } from "./dom.js";
import { at, isBlank, mayLook, rowOf, rowScale, sumOf } from "./frame.js";
import { counted, weight, within } from "./numbers.js";
import { arithmetic, hidden, inWords, NOT_COMPUTED, rowInWords } from "./words.js";

/** @typedef {import("./frame.js").Scene} Scene */

const LARGEST = 6; // keys of a row that are listed; the rest are summed up
const FEW = 3; // beside another view

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
    const parts = marked(inWords(frame, cursor), (text) => worded("em", text));
    if (frame.heads > 1) parts.unshift(`${frame.names[cursor.head]}: `);
    const sentence = parts.map((part) => (typeof part === "string" ? part : part.textContent)).join("");
    if (say.textContent !== sentence) say.replaceChildren(...parts); // the same words are not read out again
    refill(inHeads, frame.heads > 1 ? frame.names.map((_, head) => inHead(scene, head)) : []);
    refill(steps, arithmetic(frame, cursor).map(tableRow));
    showRows(scene, pinned.length ? pinned : [cursor.row], rowHeading, bars);
  };
}

/**
 * The cell under the cursor, as another head weighs it.
 * @param {Scene} scene @param {number} head
 */
function inHead({ frame, cursor, perRow }, head) {
  const cell = { ...cursor, head };
  const here = head === cursor.head ? worded("em", frame.names[head]) : frame.names[head];
  const w = frame.weights[at(frame, cell)];
  const share = w / rowScale(frame, perRow, head, cursor.row);
  const line = tableRow(mayLook(frame, cell) ? [here, weight(w), bar(share, 0, 1)] : [here, isBlank(frame, cell) ? NOT_COMPUTED : hidden(frame)]);
  line.cells[0].style.maxWidth = "none"; // a head's name is read in full
  return line;
}

/**
 * What one row shares out, or two side by side.
 * @param {Scene} scene @param {number[]} rows @param {HTMLElement} heading @param {HTMLElement} bars
 */
function showRows({ frame, cursor, perRow }, rows, heading, bars) {
  const shares = rows.map((row) => rowOf(frame, cursor.head, row));
  refill(heading, rows.flatMap((row, i) => [
    i ? " · " : "", ...(rows.length > 1 ? [swatch(i)] : []),
    ...marked(rowInWords(frame, cursor.head, row), (text) => named(text, i, rows.length)),
  ]));
  const largest = (/** @type {number} */ column) => Math.max(...shares.map((share) => share[column]));
  const columns = [...frame.keys.keys()].sort((a, b) => largest(b) - largest(a));
  const most = bars.closest(".attention-translation, .attention-tiling, .attention-picture") ? FEW : LARGEST;
  const others = columns.length > most + 1 ? columns.splice(most) : []; // a single one is listed itself
  const scales = rows.map((row) => rowScale(frame, perRow, cursor.head, row));
  const lines = columns.map((column) => tableRow([
    frame.keys[column], ...shares.flatMap((share, i) => [weight(share[column]), bar(share[column] / scales[i], i, rows.length)]),
  ]));
  if (others.length) {
    const each = (/** @type {Float32Array} */ share) => others.map((column) => share[column]);
    // what is no share of a whole is not added up: the most that one of them has is said
    const sum = (/** @type {Float32Array} */ share) => (frame.reading ? Math.max(...each(share)) : sumOf(each(share)));
    const rest = tableRow([
      counted(others.length, "other", "others") + (frame.reading ? ", at most" : ""),
      ...shares.flatMap((share, i) => [weight(sum(share)), perRow ? "" : bar(sum(share), i, rows.length)]), // no share of the largest
    ]);
    rest.className = "ah-others";
    lines.push(rest);
  }
  refill(bars, lines);
}

/**
 * A sentence's parts, of which every second one is plain.
 * @param {string[]} parts @param {(text: string) => HTMLElement} mark @returns {(string | HTMLElement)[]}
 */
const marked = (parts, mark) => parts.map((text, i) => (i % 2 || !text ? text : mark(text))).filter((part) => part !== "");

/**
 * The word that asks; of two, in the colour of its bars.
 * @param {string} word @param {number} i @param {number} of
 */
function named(word, i, of) {
  const node = worded("em", word);
  if (of > 1) node.className = `ah-of-${i}`;
  return node;
}

/**
 * What the bars of one of two rows look like.
 * @param {number} i
 */
const swatch = (i) => element("span", `ah-bar ah-bar-${i} ah-swatch`, null, { "aria-hidden": "true" });

/** @param {number} share @param {number} i @param {number} of */
function bar(share, i, of) {
  const node = element("span", `ah-bar ah-bar-${i}`);
  node.style.width = `${within(share || 0, 0, 1.5) * (of > 1 ? 70 : 150)}px`;
  return node;
}
