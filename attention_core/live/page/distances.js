// The curve under the clocks: similarity by distance. Its line moves with the position, its band is all
// positions together.

import { set, shape } from "./dom.js";
import { fixed } from "./numbers.js";

/** @typedef {{ n: number, name: string, line: Float32Array, low: Float32Array, high: Float32Array }} Curve over 1 − n … n − 1 */

const HEIGHT = 120; // px
const up = (/** @type {number} */ s) => 24 + ((1 - s) / 2) * HEIGHT;

/** @param {Element} parent @param {number} left room for numbers */
export function makeDistances(parent, left) {
  const svg = shape("svg", parent, { role: "img" });
  /** @type {ReturnType<makeParts>} */
  let parts;
  let [n, width] = [1, 1];
  const across = (/** @type {number} */ k) => left + ((k + n - 0.5) / (2 * n - 1)) * width;

  /** @param {number} positions @param {number} wide */
  function layout(positions, wide) {
    [n, width] = [positions, wide];
    set(svg, { viewBox: `0 0 ${left + width} ${HEIGHT + 62}`, width: left + width });
    svg.replaceChildren();
    parts = makeParts();
  }

  function makeParts() {
    const name = shape("text", svg, { class: "sm-strong", x: left, y: 12 });
    for (const s of [1, 0, -1]) {
      shape("line", svg, { class: "sm-grid-line", x1: left, x2: left + width, y1: up(s), y2: up(s) });
      shape("text", svg, { x: left - 6, y: up(s) + 4, "text-anchor": "end" }, fixed(s, 0));
    }
    const step = Math.ceil(n / 4);
    for (let k = -3 * step; k < n; k += step) {
      if (k > -n) shape("text", svg, { x: across(k), y: HEIGHT + 40, "text-anchor": "middle" }, fixed(k, 0));
    }
    shape("text", svg, { x: left + width, y: HEIGHT + 58, "text-anchor": "end" }, "distance →");
    shape("text", svg, { x: left, y: HEIGHT + 58 }, "bold: from this position; grey: from all of them");
    return {
      name,
      band: shape("path", svg, { class: "sm-band" }),
      guide: shape("line", svg, { class: "sm-grid-line sm-guide", y1: up(1), y2: up(-1) }),
      line: shape("path", svg, { class: "sm-curve" }),
      dot: shape("circle", svg, { class: "sm-dot", r: 5 }),
    };
  }

  /** @param {Float32Array} values */
  const points = (values) =>
    Array.from(values, (s, i) => [across(i + 1 - n), up(s)]).filter(([, y]) => Number.isFinite(y));
  /** @param {number[][]} list */
  const path = (list) => list.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");

  /** @param {Curve} curve @param {number} k the distance that is shown @param {string} said about it */
  function draw({ name, line, low, high }, k, said) {
    set(parts.band, { d: `M${path([...points(low), ...points(high).reverse()])}Z` });
    set(parts.line, { d: `M${path(points(line))}` });
    set(parts.guide, { x1: across(k), x2: across(k) });
    set(parts.dot, { cx: across(k), cy: up(Number.isFinite(line[n - 1 + k]) ? line[n - 1 + k] : 0) });
    parts.name.textContent = `Similarity by distance: ${name}`;
    set(svg, { "aria-label": `${parts.name.textContent}. ${said}` });
  }

  return { layout, draw };
}
