// How large everything about a map is, in the room that the page gives: pure arithmetic.

/**
 * @typedef {object} Size in px
 * @property {number} x the width of a cell
 * @property {number} y its height
 * @property {number} left room for the queries' labels
 * @property {number} top room for the keys' labels
 * @property {number} width of all cells
 * @property {number} height of all cells
 * @property {number} keyWidth the longest that a slanted label can be
 * @property {number} zoom how much the stylesheet enlarges all of it
 */

const LARGEST_CELL = { usual: 44, projector: 29 }; // px, before a projector enlarges them
const [SINE, COSINE] = [0.643, 0.766]; // of the 40° at which they stand, as in heatmap.css
const LETTER = 7.2; // px
const PROJECTOR = 1.6; // as in heatmap.css
export const GAP_FROM = 9; // px: smaller cells touch
const LABEL_PITCH = { words: 14, across: 8, down: 10 }; // px: labels that would stand closer are left out; single letters may

/**
 * @param {import("./frame.js").Frame} frame
 * @param {{ width: number, projector: boolean, tallest?: number, pairs?: boolean }} page pairs: two small maps fill the room
 * @returns {Size}
 */
export function measure(frame, { width, projector, tallest: most = 560, pairs = false }) {
  const many = frame.heads > 1;
  const room = width || 800;
  const largest = LARGEST_CELL[projector ? "projector" : "usual"];
  const labels = 18 + LETTER * longest(frame.queries);
  const left = many ? Math.min(64, labels) : Math.max(64, Math.min(110, labels)); // 64: the caption
  const small = pairs ? Math.max(250, room / 2 - 6) : 250;
  const slant = Math.min(many ? 42 : 70, 10 + 4.6 * longest(frame.keys));
  const keyWidth = (slant - (many ? 2 : 0)) / SINE; // what stands above them is not reached
  const widest = Math.min(many ? small : room >= 720 ? Math.min(560, room * 0.6) : 560, room - 12) - left;
  const tallest = many ? 250 - left : Math.min(560, most);
  let x = Math.min(largest, (widest - 26) / frame.columns);
  const last = COSINE * Math.min(keyWidth, LETTER * (frame.keys.at(-1)?.length ?? 0)); // it begins over the middle of its cell
  if (!many) x = Math.min(x, (widest - last) / Math.max(0.5, frame.columns - 0.5));
  let y = Math.min(largest, tallest / frame.rows);
  if (pairs) x = y = Math.floor(2 * Math.min(x, y)) / 2; // rows come and go while it is played
  else if (Math.min(x, y) >= 8) x = y = Math.floor(Math.min(x, y));
  return {
    x, y, left, top: slant + (many ? 14 : 30), // a single map has a line of captions
    width: x * frame.columns, height: y * frame.rows,
    keyWidth, zoom: projector ? PROJECTOR : 1,
  };
}

/** @param {string[]} labels */
const longest = (labels) => labels.reduce((most, label) => Math.max(most, label.length), 3);

/**
 * How far labels have to stand apart.
 * @param {string[]} labels @param {"across" | "down"} way
 */
export const pitchOf = (labels, way) => LABEL_PITCH[labels.every((label) => label.length < 2) ? way : "words"];

/**
 * Which of n labels are shown, a line each, when the lines stand `pitch` apart.
 * @param {number} n @param {number} pitch @param {number} [least] that they need
 */
export function thinned(n, pitch, least = LABEL_PITCH.words) {
  const every = Math.ceil(least / pitch);
  return Array.from({ length: Math.ceil(n / every) }, (_, i) => i * every);
}
