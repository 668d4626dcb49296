// The record of a page without a kernel: models of widgets, what each move shows, and the bytes of both.
// tests/tools/recorded.py writes it.

/** @typedef {Record<string, Record<string, any>>} Patch of models, by their ids, the traits that differ */
/** @typedef {[at: any[], frame: number]} Step where the dials of a set stand, and what is shown then */

/**
 * @typedef {object} Moves what is known of one explorer
 * @property {string} model
 * @property {string} bank says why something does not move
 * @property {Record<string, string[]>} changed traits of models that some move changes
 * @property {[model: string, trait: string, moves: string[]][]} dials
 * @property {{ dials: number[], steps: Step[] }[]} sets
 * @property {{ dials: number[], told: [model: string, at: any[], wish: object, frame: number][] }} wishes what
 *   models were told where these dials stood, and what came of it
 */

/**
 * @typedef {object} Record_
 * @property {Patch} models
 * @property {Moves[]} explorers
 * @property {Patch[]} frames
 * @property {(thing: any) => any} filled a thing of it with the bytes and texts that it names
 */

/**
 * The bytes of a page's own text.
 * @param {string} text deflated bytes in base64
 */
export async function inflated(text) {
  const deflated = Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
  const { DecompressionStream } = /** @type {any} */ (globalThis); // newer than the types that are at hand
  const stream = new Blob([deflated]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

/** @param {ArrayBuffer} raw @returns {Record_} */
export function readRecord(raw) {
  const length = new DataView(raw).getUint32(0, true);
  const { models, explorers, frames, texts, bytes } = JSON.parse(new TextDecoder().decode(new Uint8Array(raw, 4, length)));
  let end = 4 + length;
  const views = bytes.map((/** @type {number} */ size) => new DataView(raw, (end += size) - size, size));
  /** @param {any} thing @returns {any} */
  const filled = (thing) => {
    if (Array.isArray(thing)) return thing.map(filled);
    if (thing === null || typeof thing !== "object") return thing;
    if ("$bytes" in thing) return inFull(views[thing.$bytes], thing);
    if ("$text" in thing) return texts[thing.$text];
    if ("$number" in thing) return Number(thing.$number);
    return Object.fromEntries(Object.entries(thing).map(([name, one]) => [name, filled(one)]));
  };
  return { models, explorers, frames, filled };
}

/**
 * Float32 of what is told in 8 or 16 bits a number; what is told as it is, as it is.
 * @param {DataView} view @param {{ bits?: 8 | 16, columns?: number }} how
 */
export function inFull(view, { bits, columns = 1 }) {
  if (!bits) return view;
  return new DataView((bits === 16 ? evenly(view) : byRow(view, columns)).buffer);
}

/**
 * The least of all and a step, float32, then how many steps each is above it.
 * @param {DataView} view
 */
function evenly(view) {
  const [low, step] = [view.getFloat32(0, true), view.getFloat32(4, true)];
  return Float32Array.from({ length: (view.byteLength - 8) / 2 }, (_, i) => low + step * view.getUint16(8 + 2 * i, true));
}

/**
 * A number a row, float32, then the roots of its weights: the number gives the row its sum.
 * @param {DataView} view @param {number} columns
 */
function byRow(view, columns) {
  const rows = view.byteLength / (4 + columns);
  return Float32Array.from({ length: rows * columns }, (_, i) => {
    const root = view.getUint8(4 * rows + i);
    return view.getFloat32(4 * Math.floor(i / columns), true) * root * root;
  });
}
