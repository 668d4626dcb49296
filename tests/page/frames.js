// Frames for tests, as Python would send them.

/** @param {number[]} numbers @param {number} [offset] of the bytes in their message */
export function float32(numbers, offset = 0) {
  const buffer = new ArrayBuffer(offset + 4 * numbers.length);
  new Uint8Array(buffer, offset).set(new Uint8Array(new Float32Array(numbers).buffer));
  return new DataView(buffer, offset);
}

/** One head, one row for each list of weights. @param {number[][]} rows @param {object} [more] */
export function sent(rows, more = {}) {
  const keys = rows[0].map((_, i) => `k${i}`);
  return {
    shape: [1, rows.length, keys.length], weights: float32(rows.flat()), scores: null, allowed: null,
    queries: rows.map((_, i) => `q${i}`), keys, heads: ["head 0"], steps: [], terms: null, ...more,
  };
}

/** @param {boolean[]} allowed */
export const mask = (allowed) => new DataView(Uint8Array.from(allowed, Number).buffer);
