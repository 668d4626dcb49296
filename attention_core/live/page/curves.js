// Curves over steps, a small chart each, with a mark on the step that is shown.

import { element, set, shape, worded } from "./dom.js";
import { two } from "./numbers.js";

/** @typedef {{ name: string, x: ArrayLike<number>, y: ArrayLike<number> }} Curve */

/**
 * @typedef {object} Moment
 * @property {number} extent the last step that the charts have room for
 * @property {number} step the one that is shown
 * @property {boolean} live whether the curves still grow: then the mark is on their end
 * @property {(n: number) => string} inWords a number of steps
 */

const [WIDTH, HEIGHT] = [300, 96]; // of a chart, in its own coordinates

/**
 * Which of these steps is nearest to one.
 * @param {ArrayLike<number>} steps @param {number} step
 */
export function nearest(steps, step) {
  let best = 0;
  for (let i = 1; i < steps.length; i++) if (Math.abs(steps[i] - step) < Math.abs(steps[best] - step)) best = i;
  return best;
}

/**
 * The curve as the path of a pen, which is lifted over what is not finite.
 * @param {Curve} curve @param {(x: number) => number} across @param {(y: number) => number} down
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
 * The charts in `parent`; returns what shows curves in them.
 * @param {HTMLElement} parent @param {(step: number) => void} choose when one is clicked
 */
export function makeCurves(parent, choose) {
  /** @type {Map<string, ReturnType<makeChart>>} */
  const charts = new Map();
  let extent = 1;

  /** @param {string} name */
  function chartOf(name) {
    const chart = charts.get(name) ?? makeChart(parent, (share) => choose(share * extent));
    charts.set(name, chart);
    return chart;
  }

  return (/** @type {Curve[]} */ curves, /** @type {Moment} */ moment) => {
    extent = moment.extent;
    for (const [name, chart] of charts) {
      if (curves.some((curve) => curve.name === name)) continue;
      chart.box.remove();
      charts.delete(name);
    }
    for (const curve of curves) draw(chartOf(curve.name), curve, moment);
  };
}

/** @param {HTMLElement} parent @param {(share: number) => void} choose */
function makeChart(parent, choose) {
  const box = element("div", "at-chart", parent);
  const head = element("div", "at-name", box);
  const svg = shape("svg", box, { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  svg.addEventListener("click", (event) => {
    const { left, width } = svg.getBoundingClientRect();
    choose((event.clientX - left) / width);
  });
  return {
    box, head, svg,
    floor: shape("line", svg, { class: "at-axis", x1: 0, x2: WIDTH }),
    top: shape("text", svg, { class: "at-tick", x: 0, y: 10 }),
    end: shape("text", svg, { class: "at-tick", x: WIDTH, y: HEIGHT + 10, "text-anchor": "end" }),
    path: shape("path", svg, { class: "at-curve" }),
    here: shape("line", svg, { class: "at-here", y1: 0, y2: HEIGHT }),
    dot: shape("circle", svg, { class: "at-dot", r: 4 }),
  };
}

/** @param {ReturnType<makeChart>} chart @param {Curve} curve @param {Moment} moment */
function draw({ head, svg, floor, top, end, path, here, dot }, curve, { extent, step, live, inWords }) {
  const { name, x, y } = curve;
  const finite = Array.from(y).filter(Number.isFinite);
  const high = finite.reduce((most, v) => Math.max(most, v), 1);
  const low = finite.reduce((least, v) => Math.min(least, v), 0);
  const across = (/** @type {number} */ s) => (s / extent) * WIDTH;
  const down = (/** @type {number} */ v) => HEIGHT - 4 - ((v - low) / (high - low)) * (HEIGHT - 18);
  set(path, { d: pathOf(curve, across, down) });
  set(floor, { y1: down(0), y2: down(0) });
  top.textContent = two(high);
  end.textContent = inWords(extent);
  const at = live ? x.length - 1 : nearest(x, step);
  const visible = x.length > 0 && Number.isFinite(y[at]);
  dot.style.display = visible ? "" : "none";
  here.style.display = live ? "none" : "";
  if (visible) set(dot, { cx: across(x[at]), cy: down(y[at]) });
  set(here, { x1: across(step), x2: across(step) });
  const value = two(y[at] ?? NaN);
  head.replaceChildren(`${name} `, worded("strong", value));
  set(svg, { "aria-label": `${name}: ${value} after ${inWords(step)}` });
}
