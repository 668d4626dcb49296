// A clock for each pair of rows of the table: two hands, of two positions, and the angle between them.

import { set, shape } from "./dom.js";
import { ARROWS, taken } from "./keys.js";
import { two, within } from "./numbers.js";

/** @typedef {{ left: number, top: number, row: number, dial: number, abreast: number }} Measures `left` is where clocks begin */
/** @typedef {[sin: number, cos: number]} Tip */

/** @param {Element} parent @param {Measures} measures @param {number} pairs @param {(pair: number) => void} pick */
export function makeDials(parent, measures, pairs, pick) {
  const list = shape("g", parent, { role: "listbox", "aria-label": "Clocks, one for each pair of dimensions" });
  const last = pairs - 1;
  const clocks = Array.from({ length: pairs }, (_, i) => clock(list, measures, i));
  clocks.forEach(({ group }, i) => {
    group.addEventListener("pointerenter", (event) => { if (event.pointerType !== "touch") pick(i); });
    group.addEventListener("click", () => { pick(i); group.focus(); });
    group.addEventListener("keydown", (event) => {
      const to = pairByKey(i, last, event.key);
      if (to === null) return;
      pick(to);
      clocks[to].group.focus({ preventScroll: true });
      taken(event);
    });
  });
  return clocks;
}

/**
 * Where a key leads from clock i; null for one that leads nowhere.
 * @param {number} i @param {number} last @param {string} key
 */
export function pairByKey(i, last, key) {
  if (key === "Home") return 0;
  if (key === "End") return last;
  const arrow = ARROWS[key];
  return arrow ? within(i + arrow[0] - arrow[1], 0, last) : null; // down and right go on
}

/** @param {Element} list @param {Measures} measures @param {number} i */
function clock(list, { left, top, row, dial, abreast }, i) {
  const x = left + (i % abreast) * (dial + 6) + dial / 2;
  const y = top + (i + 0.5) * row;
  const group = shape("g", list, { class: "sm-clock", role: "option", "data-part": `clock ${i}`, transform: `translate(${x} ${y})` });
  shape("circle", group, { class: "sm-dial", r: dial / 2 });
  shape("line", group, { class: "sm-noon", y1: -dial / 2, y2: -dial / 2 + 4 });
  const wedge = shape("path", group, { class: "sm-wedge" });
  const far = shape("line", group, { class: "sm-hand sm-there" });
  const near = shape("line", group, { class: "sm-hand sm-here" });
  return { group, wedge, far, near, x, y, edge: x - dial / 2, radius: dial / 2 - 3 };
}

/**
 * @param {ReturnType<clock>} clock @param {number} i @param {Tip} here @param {Tip} there
 * @param {number} position whose hand is `here` @param {boolean} chosen
 */
export function drawDial({ group, wedge, far, near, radius }, i, here, there, position, chosen) {
  set(near, { x2: radius * here[0], y2: -radius * here[1] }); // up is a cosine of 1, right is a sine of 1
  set(far, { x2: radius * there[0], y2: -radius * there[1] });
  const w = radius * 0.62;
  const large = turn(here, there) > Math.PI ? 1 : 0;
  set(wedge, { d: `M0 0L${w * here[0]} ${-w * here[1]}A${w} ${w} 0 ${large} 1 ${w * there[0]} ${-w * there[1]}Z` });
  set(group, {
    "aria-selected": chosen, tabindex: chosen ? 0 : -1,
    "aria-label": `Dimensions ${2 * i} and ${2 * i + 1}: sine ${two(here[0])}, cosine ${two(here[1])} at position ${position}`,
  });
}

/**
 * The angle from one hand to another, clockwise, from 0 to 2π.
 * @param {Tip} from @param {Tip} to
 */
export const turn = (from, to) =>
  (Math.atan2(...to) - Math.atan2(...from) + 2 * Math.PI) % (2 * Math.PI);
