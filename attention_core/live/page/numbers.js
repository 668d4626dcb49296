// Numbers as words. still.py has the same rules for the still pictures; a test compares the two.

/** @param {number} x @param {number} least @param {number} most */
export const within = (x, least, most) => Math.min(most, Math.max(least, x));

/**
 * A finite number with so many digits. Halves go to the even digit, as Python has them, and nothing is −0.00.
 * @param {number} x @param {number} digits
 */
export function fixed(x, digits) {
  const size = Math.abs(x);
  let text = size.toFixed(digits);
  const half = (size * 2 ** (digits + 1)) % 2 === 1; // 0.125, not 0.135, which is no binary fraction
  if (half && Number(text.at(-1)) % 2) text = (size - 10 ** -(digits + 1)).toFixed(digits);
  return x < 0 && Number(text) ? `−${text}` : text;
}

/** @param {number} x */
export function two(x) {
  if (Number.isNaN(x)) return "NaN";
  return Number.isFinite(x) ? fixed(x, 2) : x > 0 ? "∞" : "−∞";
}

/**
 * A weight in words: two digits, and where it is small two that count, down to a ten-thousandth. Among a
 * thousand keys even the largest weight may be small.
 * @param {number} w
 */
export function weight(w) {
  if (w > 0 && w < 1e-4) return "<0.0001";
  const size = Math.abs(w);
  return size < 0.00995 && size >= 1e-4 ? fixed(w, size < 0.000995 ? 5 : 4) : two(w);
}

/**
 * A weight as short as it can be without lying: .07, 1.0, nothing for less than ½ percent.
 * @param {number} w
 */
export function inCell(w) {
  if (!Number.isFinite(w)) return two(w);
  const size = Math.abs(w);
  if (size < 0.005) return "";
  if (size >= 999.5) return w < 0 ? "<−999" : ">999"; // no weight at all; the readout says which number
  if (size < (w < 0 ? 0.05 : 0.995)) return fixed(w, 2).replace("0.", ".");
  return fixed(w, size < 99.95 ? 1 : 0);
}

/**
 * eˣ, also where a double cannot hold it.
 * @param {number} x
 */
export function power(x) {
  const y = Math.exp(x);
  if (!Number.isFinite(x)) return two(y); // e^−∞ is 0
  if (y === 0 || y === Infinity) return `e^${fixed(x, 0)}`;
  return y >= 1e5 || y < 1e-2 ? y.toExponential(1).replace("-", "−") : fixed(y, 2);
}

/** @param {string} word */
export const quoted = (word) => `“${word}”`;

/** @param {number} n @param {string} one @param {string} many */
export const counted = (n, one, many) => `${n} ${n === 1 ? one : many}`;

/** @param {number} seconds */
export function duration(seconds) {
  const s = Math.round(seconds);
  return s < 60 ? `${s} s` : `${Math.floor(s / 60)} min ${s % 60} s`;
}
