// The pure parts of a picture cut into cells: where keys and hands lead, what waits, and what cells are called.

import { bytes } from "./bytes.js";
import { ARROWS } from "./keys.js";
import { inCell, weight, within } from "./numbers.js";

/**
 * @typedef {object} Frame what Python sends
 * @property {[height: number, width: number]} size in pixels
 * @property {DataView} pixels red, green, blue, row by row
 * @property {[rows: number, columns: number]} grid
 * @property {(number | null)[] | null} weights a cell's, from 0 to 1; null is no number
 * @property {number[]} hidden cells
 * @property {number | null} chosen
 * @property {number[]} marked
 * @property {string[]} names of the cells
 * @property {"cell" | "pixel"} by what a hand takes
 * @property {string} said see marked.js
 * @property {string} hint
 * @property {[hidden: string, marked: string]} means
 * @property {number[][] | null} lines in place of tints: x and y of start, bend and end in pixels, and how thick
 * @property {number | null} looker the cell of who looks
 * @property {Handle | null} handle
 * @property {number | null} side px, of the longer side on the page; null is as usual
 */

/** @typedef {{ cells: number[], control: string, trait: string, values: any[] }} Handle what a drag moves: from one of the cells to a cell, by the control's id */

/** @typedef {{ row: number, column: number }} Place of a cell, or of a pixel */
/** @typedef {{ chosen?: number, dragged?: [number, number], begun?: boolean, painted?: [number, number][] }} Wish begun: a drag, from its first cell on */
export const LARGEST = 264; // px, of the longer side: beside a map, on a slide
const WIDEST = 1040; // of one that is flat, and has the slide's width

/**
 * Rows and columns of what a hand takes.
 * @param {Frame} frame @returns {[rows: number, columns: number]}
 */
export const handGrid = ({ by, grid, size }) => (by === "pixel" ? size : grid);

/**
 * Pixels on the screen for one of the picture's: a whole number where there is room for one.
 * @param {[height: number, width: number]} size @param {number} room px
 * @param {number | null} side of the longer side, at most
 */
export function scaleOf([height, width], room, side = null) {
  const longest = side ?? (width > 2 * height ? WIDEST : LARGEST);
  const most = Math.min(longest / Math.max(height, width), room / width);
  return most >= 1 ? Math.floor(most) : most;
}

/**
 * Where a key leads; null for one that leads nowhere.
 * @param {[rows: number, columns: number]} grid @param {Place} cursor @param {{ key: string, ctrlKey: boolean }} pressed
 * @returns {Place | null}
 */
export function placeByKey([rows, columns], { row, column }, { key, ctrlKey }) {
  if (key === "Home") return { row: ctrlKey ? 0 : row, column: 0 };
  if (key === "End") return { row: ctrlKey ? rows - 1 : row, column: columns - 1 };
  const arrow = ARROWS[key];
  return arrow ? { row: within(row - arrow[1], 0, rows - 1), column: within(column + arrow[0], 0, columns - 1) } : null;
}

/**
 * The places on a line, without the one it begins at: a fast hand leaves no gap.
 * @param {Place} from @param {Place} to @returns {[number, number][]}
 */
export function lineTo(from, to) {
  const steps = Math.max(Math.abs(to.row - from.row), Math.abs(to.column - from.column));
  return Array.from({ length: steps }, (_, i) => {
    const share = (i + 1) / steps;
    return [Math.round(from.row + share * (to.row - from.row)), Math.round(from.column + share * (to.column - from.column))];
  });
}

/**
 * Two wishes as one: a drag goes from where the first began to where the last ended, and no pixel is lost. Of two
 * drags the last counts.
 * @param {Wish} first @param {Wish} last @returns {Wish}
 */
export function merged(first, last) {
  /** @type {Wish} */
  const both = { ...first, ...last };
  if (first.dragged && last.dragged && !last.begun) {
    both.dragged = [first.dragged[0], last.dragged[1]];
    if (first.begun) both.begun = true;
  }
  if (first.painted && last.painted) both.painted = [...first.painted, ...last.painted];
  return both;
}

/**
 * What is under the cursor, in words.
 * @param {Frame} frame @param {Place} place
 */
export function nameOf(frame, { row, column }) {
  const { by, grid, names, weights, hidden, chosen, marked, means, size, lines } = frame;
  if (by === "pixel") {
    const at = 3 * (row * size[1] + column);
    const [r, g, b] = bytes(frame.pixels).subarray(at, at + 3);
    return `pixel ${row}, ${column}: ${r === g && g === b ? inCell(r / 255) || "0" : `red ${r}, green ${g}, blue ${b}`}`;
  }
  const cell = row * grid[1] + column;
  const w = weights && weights[cell];
  const nobody = lines && w === null; // can look there
  return [
    weights && !nobody && !hidden.includes(cell) ? `${names[cell]}: weight ${weight(w ?? NaN)}` : names[cell],
    hidden.includes(cell) && means[0], chosen === cell && "chosen", marked.includes(cell) && means[1],
  ].filter(Boolean).join(", ");
}
