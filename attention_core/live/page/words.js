// What a frame says in words: a cell, the sums of its rows, the arithmetic behind a cell.

import { at, isBlank, mayLook, rowOf, sumOf } from "./frame.js";
import { fixed, power, quoted, two, weight } from "./numbers.js";

/** @typedef {import("./frame.js").Frame} Frame */
/** @typedef {import("./frame.js").Cell} Cell */
/** @typedef {[label: string, number: string, remark: string]} Line */

export const NOT_COMPUTED = "not computed"; // what a blank cell is called
const SHOWN = 0.005; // a smaller difference is not seen in two digits

const LEFTWARDS = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Adlam}]/u;

/**
 * Which way a sentence runs: as its first letter does. For a row of words that each have a `dir` of their own.
 * @param {string[]} words
 */
export const directionOf = (words) => (LEFTWARDS.test(words.join(" ").match(/\p{L}/u)?.[0] ?? "") ? "rtl" : "ltr");

/**
 * A sentence of a reading with these words in its slots; every second part is plain, the others are the words.
 * @param {string} template @param {Record<string, string>} words @returns {string[]}
 */
export function filled(template, words) {
  const parts = template.split(/\{(\w+)\}/).map((part, i) => (i % 2 ? words[part] ?? `{${part}}` : part));
  return ["", ...parts];
}

/**
 * Every second part is plain, the others matter.
 * @param {Frame} frame @param {Cell} cell
 */
export function inWords(frame, cell) {
  const query = quoted(frame.queries[cell.row]);
  const key = quoted(frame.keys[cell.column]);
  const w = frame.weights[at(frame, cell)];
  if (isBlank(frame, cell)) return [query, " and ", key, `: ${NOT_COMPUTED}.`];
  if (frame.reading) {
    return mayLook(frame, cell) ? filled(frame.reading.cell, { query, key, number: weight(w) }) : [query, " and ", key, `: ${hidden(frame)}.`];
  }
  if (mayLook(frame, cell)) return [query, " gives ", weight(w), " of its attention to ", key, "."];
  const leak = same(w, 0) ? "" : `, and yet gives it ${weight(w)}`;
  return [query, " may not look at ", key, `${leak}.`];
}

/**
 * What a hatched cell is called.
 * @param {Frame} frame
 */
export const hidden = (frame) => (frame.reading ? frame.reading.hidden ?? "left out" : "may not look");

/**
 * The heading above a row's numbers, in parts as of `inWords`.
 * @param {Frame} frame @param {number} head @param {number} row
 */
export function rowInWords(frame, head, row) {
  const weights = rowOf(frame, head, row);
  const query = quoted(frame.queries[row]);
  const sum = sumOf(weights);
  if (frame.reading) return filled(frame.reading.row, { query, sum: two(sum), largest: two(extreme(weights, Math.max)) });
  return [query, sum === 0 ? " may look nowhere: it shares out 0" : ` shares out ${two(sum)}`];
}

/**
 * The sentence below a map.
 * @param {Frame} frame
 */
export function captionOf(frame) {
  const { reading, weights } = frame;
  if (!reading) return `Each row is one query; ${sumsInWords(frame)}.`;
  return filled(reading.caption, { least: two(extreme(weights, Math.min)), largest: two(extreme(weights, Math.max)) }).join("");
}

/** @param {Float32Array} numbers @param {(a: number, b: number) => number} more */
const extreme = (numbers, more) => numbers.reduce((most, x) => more(most, x));

/**
 * What the grid of a map is called.
 * @param {Frame} frame @param {string} name of its head, or nothing
 */
export function gridName({ reading }, name) {
  const [what, rows, columns] = reading ? [reading.number, reading.rows, reading.columns] : ["Attention weights", "queries", "keys"];
  return `${what}${name && `, ${name}`}: rows are ${rows}, columns are ${columns}`;
}

/**
 * A wrong softmax must not stand under a caption that calls it right.
 * @param {Frame} frame
 */
export function sumsInWords(frame) {
  let [low, high] = [Infinity, -Infinity];
  for (let head = 0; head < frame.heads; head++) {
    for (let row = 0; row < frame.rows; row++) {
      const sum = sumOf(rowOf(frame, head, row));
      if (sum !== 0) [low, high] = [Math.min(low, sum), Math.max(high, sum)]; // one that may look nowhere shares out nothing
    }
  }
  const usual = low > high || (Math.abs(low - 1) < SHOWN && Math.abs(high - 1) < SHOWN);
  return usual ? "its weights sum to 1" : `here rows sum to ${two(low)} … ${two(high)}`;
}

/**
 * The arithmetic behind one cell; nothing when Python sent no scores.
 * @param {Frame} frame @param {Cell} cell @returns {Line[]}
 */
export function arithmetic(frame, cell) {
  if (!frame.scores) return [];
  const score = frame.scores[at(frame, cell)];
  const lines = scoreFromSteps(frame, cell, score);
  if (!mayLook(frame, cell)) {
    return [...lines, ["masked: −∞", "−∞", ""], ["exp", "0.00", "e^−∞ = 0"], ...otherwise(frame, cell, 0)];
  }
  const scores = rowScores(frame, frame.scores, cell);
  const largest = scores.reduce((most, s) => Math.max(most, s), -Infinity);
  const shifted = scores.reduce((sum, s) => sum + Math.exp(s - largest), 0);
  const w = Math.exp(score - largest) / shifted;
  lines.push(["exp", power(score), ""]);
  lines.push(["÷ row’s sum", weight(w), `sum ${power(largest + Math.log(shifted))}`]);
  return [...lines, ...otherwise(frame, cell, w)];
}

/** @param {Frame} frame @param {Cell} cell @param {number} score @returns {Line[]} */
function scoreFromSteps(frame, cell, score) {
  if (!frame.steps.length) return [["score", two(score), ""]];
  let x = frame.steps.reduce((product, [, factor]) => product / factor, score);
  /** @type {Line[]} */
  const lines = [["query · key", two(x), dotProduct(frame, cell)]];
  for (const [label, factor] of frame.steps) lines.push([label, two((x *= factor)), ""]);
  return lines;
}

/**
 * Where the map does not show what the arithmetic says.
 * @param {Frame} frame @param {Cell} cell @param {number} w @returns {Line[]}
 */
function otherwise(frame, cell, w) {
  const shown = frame.weights[at(frame, cell)];
  if (same(shown, w) || Object.is(shown, w)) return []; // NaN is what NaN scores give
  return [["but the map", weight(shown), mayLook(frame, cell) ? "another formula made this map" : "the mask was not used"]];
}

/**
 * Whether two weights are the same as far as words go: small ones have more digits.
 * @param {number} a @param {number} b
 */
const same = (a, b) => Math.abs(a - b) < Math.min(SHOWN, 1e-4 + 0.05 * Math.max(Math.abs(a), Math.abs(b)));

/**
 * Those that take part in the softmax.
 * @param {Frame} frame @param {Float32Array} scores @param {Cell} cell
 */
function rowScores(frame, scores, { head, row }) {
  const cells = frame.keys.map((_, column) => ({ head, row, column }));
  return cells.filter((cell) => mayLook(frame, cell)).map((cell) => scores[at(frame, cell)]);
}

/** @param {Frame} frame @param {Cell} cell */
function dotProduct({ terms }, { row, column }) {
  if (!terms) return "";
  const n = terms.names.length;
  return terms.names
    .map((name, i) => ({ name, q: terms.query[row * n + i], k: terms.key[column * n + i] }))
    .filter(({ q, k }) => Math.abs(q * k) >= SHOWN)
    .map(({ name, q, k }) => `${name} ${fixed(q, 1)}×${fixed(k, 1)}`)
    .join(" + ");
}
