// Curves, a small chart each: a line, perhaps the band in which others lie, and a mark where one looks.

import { floats } from "./bytes.js";
import { element, set, shape, worded } from "./dom.js";
import { fixed, two } from "./numbers.js";

/**
 * @typedef {object} SentCurve what Python sends of one
 * @property {string} name
 * @property {DataView} x float32
 * @property {DataView} y float32; the line breaks where it is not finite
 * @property {DataView} low float32, of the band; or empty
 * @property {DataView} high
 * @property {number | null} at the x of the point that is looked at
 * @property {string} xlabel
 * @property {[number, number]} reach the least and greatest y that the chart has room for at least
 */

/** @typedef {Omit<SentCurve, "x" | "y" | "low" | "high"> & Record<"x" | "y" | "low" | "high", Float32Array>} Curve */

/**
 * @typedef {object} Moment how a chart stands; what is left out follows from its curve
 * @property {[number, number]} [span] the first x and the last that it has room for
 * @property {boolean} [live] the curve still grows: the mark is on its end
 * @property {(x: number) => string} [inWords] an x
 */

const [WIDTH, HEIGHT] = [300, 96]; // px, of a chart that has not been laid out yet
const TICKS = 7; // at most, below a curve that says what it runs over

/** @param {SentCurve} sent @returns {Curve} */
export const readCurve = (sent) =>
  ({ ...sent, x: floats(sent.x), y: floats(sent.y), low: floats(sent.low), high: floats(sent.high) });

/**
 * Which of these is nearest to one.
 * @param {ArrayLike<number>} all @param {number} one
 */
export function nearest(all, one) {
  let best = 0;
  for (let i = 1; i < all.length; i++) if (Math.abs(all[i] - one) < Math.abs(all[best] - one)) best = i;
  return best;
}

/**
 * The curve as the path of a pen, which is lifted over what is not finite.
 * @param {{ x: ArrayLike<number>, y: ArrayLike<number> }} curve
 * @param {(x: number) => number} across @param {(y: number) => number} down
 */
export function pathOf({ x, y }, across, down) {
  let pen = "M";
  let path = "";
  for (let i = 0; i < x.length; i++) {
    if (Number.isFinite(y[i])) path += `${pen}${across(x[i]).toFixed(1)} ${down(y[i]).toFixed(1)}`;
    pen = Number.isFinite(y[i]) ? "L" : "M";
  }
  return path;
}

/**
 * Whole numbers from one to another, zero among them if it lies between, at most TICKS.
 * @param {number} from @param {number} to
 */
export function ticks(from, to) {
  const step = Math.max(1, Math.ceil((to - from) / (TICKS - 1)));
  const all = [];
  for (let x = Math.ceil(from / step) * step; x <= to; x += step) all.push(x + 0); // no −0
  return all;
}

/**
 * The charts in `parent`; returns what shows curves in them.
 * @param {HTMLElement} parent @param {((name: string, x: number) => void) | null} choose when one is clicked
 */
export function makeCurves(parent, choose) {
  /** @type {Map<string, ReturnType<makeChart>>} by the curve's place and name, so that a mark moves smoothly */
  const charts = new Map();
  return (/** @type {Curve[]} */ curves, /** @type {Moment} */ moment = {}) => {
    for (const [name, chart] of charts) {
      if (curves.some((curve) => curve.name === name)) continue;
      chart.box.remove();
      charts.delete(name);
    }
    for (const curve of curves) {
      const chart = charts.get(curve.name) ?? makeChart(parent, choose && ((x) => choose(curve.name, x)));
      charts.set(curve.name, chart);
      draw(chart, curve, moment);
    }
  };
}

/** @param {HTMLElement} parent @param {((x: number) => void) | null} choose */
function makeChart(parent, choose) {
  const box = element("div", `cv-chart${choose ? " cv-chosen" : ""}`, parent);
  const head = element("div", "cv-name", box);
  const svg = shape("svg", box, { role: "img" });
  const chart = {
    box, head, svg, span: [0, 1], below: element("div", "cv-xlabel", box),
    band: shape("path", svg, { class: "cv-band" }),
    grid: shape("g", svg),
    path: shape("path", svg, { class: "cv-curve" }),
    here: shape("line", svg, { class: "cv-here", y1: 0, y2: HEIGHT }),
    dot: shape("circle", svg, { class: "cv-dot", r: 4 }),
  };
  svg.addEventListener("click", (event) => {
    const { left, width } = svg.getBoundingClientRect();
    const [from, to] = chart.span;
    choose?.(from + ((event.clientX - left) / width) * (to - from));
  });
  return chart;
}

/** @param {ReturnType<makeChart>} chart @param {Curve} curve @param {Moment} moment */
function draw(chart, curve, { span, live = false, inWords = (x) => fixed(x, 0) }) {
  const { box, head, svg, below, grid, path, band, here, dot } = chart;
  const width = box.clientWidth || WIDTH;
  const { name, x, y, low, high, at, xlabel } = curve;
  const [from, to] = chart.span = span ?? [x[0] ?? 0, x[x.length - 1] ?? 1];
  const finite = Array.from(y).filter(Number.isFinite);
  const most = finite.reduce((m, v) => Math.max(m, v), curve.reach[1]);
  const least = finite.reduce((m, v) => Math.min(m, v), curve.reach[0]);
  const across = (/** @type {number} */ v) => ((v - from) / (to - from || 1)) * width;
  const down = (/** @type {number} */ v) => HEIGHT - 4 - ((v - least) / (most - least || 1)) * (HEIGHT - 18);
  set(svg, { viewBox: `0 0 ${width} ${HEIGHT + 15}` });
  set(path, { d: pathOf(curve, across, down) });
  const edge = (/** @type {Float32Array} */ values) => pathOf({ x, y: values }, across, down);
  const back = { x: Array.from(x).reverse(), y: Array.from(high).reverse() };
  set(band, { d: low.length ? `${edge(low)}${pathOf(back, across, down).replace("M", "L")}Z` : "" });
  grid.replaceChildren();
  for (const level of least < 0 ? [least, 0] : [0]) {
    shape("line", grid, { class: "cv-axis", x1: 0, x2: width, y1: down(level), y2: down(level) });
  }
  shape("text", grid, { class: "cv-tick", x: 0, y: 10 }, two(most));
  if (least < 0) shape("text", grid, { class: "cv-tick", x: 0, y: down(least) - 3 }, two(least));
  /** @param {number} at @param {string} said */
  const write = (at, said) => {
    const anchor = at < 9 ? "start" : at > width - 9 ? "end" : "middle"; // within the chart
    shape("text", grid, { class: "cv-tick", x: at, y: HEIGHT + 12, "text-anchor": anchor }, said);
  };
  if (xlabel) for (const tick of ticks(from, to)) write(across(tick), fixed(tick, 0));
  else write(width, inWords(to));
  below.textContent = xlabel;
  const i = live || at === null ? x.length - 1 : nearest(x, at);
  const marked = x.length > 0 && Number.isFinite(y[i]) && (live || at !== null);
  dot.style.display = marked ? "" : "none";
  if (marked) set(dot, { cx: across(x[i]), cy: down(y[i]) });
  here.style.display = live || at === null ? "none" : "";
  if (at !== null) set(here, { x1: across(at), x2: across(at) });
  const value = two(y[i] ?? NaN);
  head.replaceChildren(`${name} `, worded("strong", value));
  set(svg, { "aria-label": `${name}: ${value} at ${inWords(live ? x[i] ?? 0 : at ?? x[i] ?? 0)}` });
}
