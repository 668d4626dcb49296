// One head's map as pixels: colours, hatched cells that may not be looked at, and numbers where they fit.

import { NOT_A_NUMBER, shade } from "./colour.js";
import { at, BLANK, mayLook, NUMBER, rowScale } from "./frame.js";
import { GAP_FROM } from "./layout.js";
import { inCell } from "./numbers.js";

/** @typedef {import("./frame.js").Frame} Frame */
/** @typedef {import("./layout.js").Size} Size */
/** @typedef {import("./colour.js").Palette} Palette */
/** @typedef {{ palette: Palette, perRow: boolean, dim: string }} Look `dim` is the colour of the hatching */

const ROOM_FOR_NUMBER = 27; // px

/** @type {Record<string, HTMLCanvasElement>} */
const spare = {}; // canvases that are never shown, and so are used by all views

/** @param {"scratch" | "hatched"} name @param {number} width @param {number} height */
function spareCanvas(name, width, height) {
  const canvas = (spare[name] ??= document.createElement("canvas"));
  [canvas.width, canvas.height] = [width, height];
  return { canvas, context: contextOf(canvas) };
}

/** @param {HTMLCanvasElement} canvas */
const contextOf = (canvas) => /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));

/** @param {HTMLCanvasElement} canvas @param {Frame} frame @param {number} head @param {Size} size @param {Look} look */
export function paint(canvas, frame, head, size, look) {
  const ratio = (window.devicePixelRatio || 1) * size.zoom; // sharp, also when enlarged
  const width = Math.max(1, Math.round(size.width * ratio));
  const height = Math.max(1, Math.round(size.height * ratio));
  const [stepR, stepC] = [Math.ceil(frame.rows / height), Math.ceil(frame.columns / width)];
  const [rows, columns] = [Math.ceil(frame.rows / stepR), Math.ceil(frame.columns / stepC)];
  const image = new ImageData(columns, rows);
  const mask = frame.allowed && new ImageData(columns, rows);
  const masked = mask && new Uint32Array(mask.data.buffer);
  fill(new Uint32Array(image.data.buffer), masked, frame, head, { stepR, stepC, columns }, look);
  const gaps = size.x >= GAP_FROM && size.y >= GAP_FROM;
  if (!mask && !gaps) { // nothing but cells: the page itself makes them larger, in a third of the time
    resize(canvas, columns, rows).putImageData(image, 0, 0);
    return;
  }
  const context = resize(canvas, width, height);
  context.imageSmoothingEnabled = false;
  context.clearRect(0, 0, width, height);
  stretch(context, image, width, height);
  if (mask && masked?.some((m) => m)) {
    const { canvas: hatched, context: over } = spareCanvas("hatched", width, height);
    over.imageSmoothingEnabled = false;
    stretch(over, mask, width, height);
    over.globalCompositeOperation = "source-in";
    over.fillStyle = /** @type {CanvasPattern} */ (over.createPattern(hatch(look.dim, ratio), "repeat"));
    over.fillRect(0, 0, width, height);
    context.drawImage(hatched, 0, 0);
  }
  if (gaps) {
    for (let c = 1; c < frame.columns; c++) context.clearRect(Math.round((c * width) / frame.columns) - ratio, 0, ratio, height);
    for (let r = 1; r < frame.rows; r++) context.clearRect(0, Math.round((r * height) / frame.rows) - ratio, width, ratio);
  }
  if (size.x >= ROOM_FOR_NUMBER && size.y >= ROOM_FOR_NUMBER * 0.6) writeNumbers(context, frame, head, ratio, look);
}

/** @param {HTMLCanvasElement} canvas @param {number} width @param {number} height */
function resize(canvas, width, height) {
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  return contextOf(canvas);
}

/**
 * Where cells are smaller than pixels, one pixel shows the largest weight of its block: a thin bright line
 * would otherwise vanish between the samples.
 * @param {Uint32Array} pixels @param {Uint32Array | null} masked @param {Frame} frame @param {number} head
 * @param {{ stepR: number, stepC: number, columns: number }} blocks @param {{ palette: Palette, perRow: boolean }} look
 */
export function fill(pixels, masked, frame, head, { stepR, stepC, columns }, { palette, perRow }) {
  const { weights, allowed } = frame;
  const across = Uint32Array.from({ length: frame.columns }, (_, c) => Math.floor(c / stepC));
  for (let r = 0; r < frame.rows; r++) { // the one loop over all weights: two million of them at 8 × 512 × 512
    const scale = rowScale(frame, perRow, head, r);
    const from = at(frame, { head, row: r, column: 0 });
    const to = Math.floor(r / stepR) * columns;
    for (let c = 0; c < frame.columns; c++) {
      const i = to + across[c];
      if (allowed && masked && allowed[from + c] !== NUMBER) {
        if (!pixels[i] && allowed[from + c] !== BLANK) masked[i] = 0xff000000;
        continue;
      }
      const w = weights[from + c];
      const level = w === w ? shade(w / scale) + 1 : 257; // 257 is NaN; 0 is kept for "nothing yet"
      if (level > pixels[i]) pixels[i] = level;
      if (masked) masked[i] = 0;
    }
  }
  for (let i = 0; i < pixels.length; i++) {
    if (pixels[i]) pixels[i] = pixels[i] === 257 ? NOT_A_NUMBER : palette.packed[pixels[i] - 1];
  }
}

/** @param {CanvasRenderingContext2D} context @param {ImageData} image @param {number} width @param {number} height */
function stretch(context, image, width, height) {
  const scratch = spareCanvas("scratch", image.width, image.height);
  scratch.context.putImageData(image, 0, 0);
  context.drawImage(scratch.canvas, 0, 0, width, height);
}

/** @param {string} colour @param {number} ratio */
function hatch(colour, ratio) {
  const side = Math.round(6 * ratio);
  const tile = document.createElement("canvas");
  [tile.width, tile.height] = [side, side];
  const context = contextOf(tile);
  context.strokeStyle = colour;
  context.lineWidth = 1.1 * ratio;
  for (const shift of [-side, 0, side]) {
    context.beginPath();
    context.moveTo(shift, side);
    context.lineTo(shift + side, 0);
    context.stroke();
  }
  return tile;
}

/** @param {CanvasRenderingContext2D} context @param {Frame} frame @param {number} head @param {number} ratio @param {Look} look */
function writeNumbers(context, frame, head, ratio, { palette, perRow }) {
  const { width, height } = context.canvas;
  context.font = `${11 * ratio}px ui-monospace, "DejaVu Sans Mono", monospace`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (let row = 0; row < frame.rows; row++) {
    const scale = rowScale(frame, perRow, head, row);
    for (let column = 0; column < frame.columns; column++) {
      const cell = { head, row, column };
      if (!mayLook(frame, cell)) continue;
      const w = frame.weights[at(frame, cell)];
      context.fillStyle = Number.isNaN(w) || palette.ink[shade(w / scale)] ? "#000" : "#fff";
      context.fillText(inCell(w), ((column + 0.5) * width) / frame.columns, ((row + 0.5) * height) / frame.rows + ratio / 2);
    }
  }
}
