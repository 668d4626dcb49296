// The frame of a heatmap, as Python sends it and as typed arrays, and what stands where in it.

import { bytes, floats } from "./bytes.js";

/**
 * @typedef {object} SentFrame what Python sends, in one message, so that all of it is painted at once
 * @property {[number, number, number]} shape heads, rows, columns
 * @property {DataView} weights float32
 * @property {DataView | null} scores float32, the numbers before softmax
 * @property {DataView | null} allowed a byte a cell: NUMBER where a query may look, 0 where not, or BLANK
 * @property {string[]} queries
 * @property {string[]} keys
 * @property {string[]} heads
 * @property {[string, number][]} steps the factors that made the scores out of query · key
 * @property {{ names: string[], query: DataView, key: DataView } | null} terms of that dot product
 * @property {Reading | null} [reading]
 */

/**
 * @typedef {object} Reading what the cells mean where they are no attention weights; slots in braces, see reading.py
 * @property {string} cell
 * @property {string} row
 * @property {string} caption
 * @property {string} number
 * @property {string} rows
 * @property {string} columns
 * @property {string} [hidden] what a hatched cell is called
 */

/**
 * @typedef {object} Frame
 * @property {number} heads
 * @property {number} rows
 * @property {number} columns
 * @property {Float32Array} weights
 * @property {Float32Array | null} scores
 * @property {Uint8Array | null} allowed
 * @property {string[]} queries
 * @property {string[]} keys
 * @property {string[]} names of the heads
 * @property {[string, number][]} steps
 * @property {{ names: string[], query: Float32Array, key: Float32Array } | null} terms
 * @property {Reading | null} reading
 */

/** @typedef {{ head: number, row: number, column: number }} Cell */

/**
 * @typedef {object} Scene what all parts of one heatmap show; heatmap.js alone changes it
 * @property {Frame} frame
 * @property {Cell} cursor
 * @property {number[]} pinned rows, at most two
 * @property {boolean} perRow each row has its own scale
 */

/** @type {Frame} */
export const NOTHING = {
  heads: 0, rows: 0, columns: 0, weights: new Float32Array(), scores: null, allowed: null,
  queries: [], keys: [], names: [], steps: [], terms: null, reading: null,
};
export const NUMBER = 1; // what stands in a cell, as still.py has it
export const BLANK = 2;
export const SAME = 672 * 2 ** -23; // agreement.py's: weights that differ by less are the same but for rounding
const LARGEST_FLOAT = (2 - 2 ** -23) * 2 ** 127;

/**
 * NOTHING where there is no cell to show.
 * @param {SentFrame | { shape?: undefined }} sent @returns {Frame}
 */
export function readFrame(sent) {
  if (!sent.shape) return NOTHING;
  const [heads, rows, columns] = sent.shape;
  if (rows === 0 || columns === 0) return NOTHING;
  const { weights, scores, allowed, queries, keys, steps, terms, reading } = sent;
  return {
    heads, rows, columns, queries, keys, names: sent.heads, steps,
    weights: floats(weights), scores: scores && floats(scores), allowed: allowed && bytes(allowed),
    reading: reading ?? null,
    terms: terms && { names: terms.names, query: floats(terms.query), key: floats(terms.key) },
  };
}

/** @param {Frame} frame @param {Cell} cell */
export const at = (frame, { head, row, column }) => (head * frame.rows + row) * frame.columns + column;

/** @param {Frame} frame @param {Cell} cell */
export const mayLook = (frame, cell) => !frame.allowed || frame.allowed[at(frame, cell)] === NUMBER;

/** @param {Frame} frame @param {Cell} cell */
export const isBlank = (frame, cell) => frame.allowed?.[at(frame, cell)] === BLANK;

/** @param {Frame} frame @param {number} head @param {number} row */
export function rowOf(frame, head, row) {
  const start = at(frame, { head, row, column: 0 });
  return frame.weights.subarray(start, start + frame.columns);
}

/** @param {ArrayLike<number>} weights */
export function sumOf(weights) {
  let sum = 0;
  for (let i = 0; i < weights.length; i++) sum += weights[i];
  return sum;
}

/**
 * Whether two frames as they were sent show the same.
 * @param {any} one @param {any} other @returns {boolean}
 */
export function alike(one, other) {
  if (one instanceof DataView && other instanceof DataView) {
    const [a, b] = [bytes(one), bytes(other)];
    return a.length === b.length && a.every((x, i) => x === b[i]);
  }
  if (one === null || other === null || typeof one !== "object" || typeof other !== "object") return one === other;
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => alike(one[name], other[name]));
}

/**
 * The largest of them, and not less than that; NaN is not counted.
 * @param {Float32Array} weights @param {number} least
 */
function largestOf(weights, least) {
  let most = least;
  for (let i = 0; i < weights.length; i++) if (weights[i] > most) most = weights[i]; // `reduce` takes thrice as long
  return most;
}

/**
 * A tie goes to the first cell, whatever the last bits say: as the widget's repr has it.
 * @param {Frame} frame @returns {Cell}
 */
export function largestCell({ weights, rows, columns }) {
  const largest = largestOf(weights, -1);
  const least = Math.fround(Math.min(largest, LARGEST_FLOAT) - Math.fround(SAME));
  const first = Math.max(0, weights.findIndex((w) => w >= least));
  return { head: Math.floor(first / (columns * rows)), row: Math.floor(first / columns) % rows, column: first % columns };
}

/**
 * What a weight is divided by before it becomes a colour.
 * @param {Frame} frame @param {boolean} perRow @param {number} head @param {number} row
 */
export function rowScale(frame, perRow, head, row) {
  if (!perRow) return 1;
  return Math.min(largestOf(rowOf(frame, head, row), 1e-12), LARGEST_FLOAT);
}
