// A switch for each head, a button that leaves it alone, and a bar: how far its map is from the others'.

import { element, set } from "./dom.js";
import { RUN_AGAIN } from "./kernel.js";
import { write } from "./marked.js";
import { two, within } from "./numbers.js";
import { view } from "./view.js";

/**
 * @typedef {object} Frame what Python sends
 * @property {string} line about all heads, see marked.js
 * @property {number} count
 * @property {(number | null)[]} distances one a head, or none at all; null is no number
 * @property {string} legend what the bars mean; empty: no bars
 */

/** @typedef {{ _frame: Frame, off: number[], solo: number | null, _gone?: boolean }} State */

/**
 * Whether a head is heard.
 * @param {number} head @param {number[]} off @param {number | null} solo
 */
export const isOn = (head, off, solo) => (solo === null ? !off.includes(head) : head === solo);

/**
 * What is off once a head's switch was pressed. In a solo all others are off, and a switch ends it.
 * @param {number} head @param {number} count @param {number[]} off @param {number | null} solo
 */
export function pressed(head, count, off, solo) {
  const now = [...Array(count).keys()].filter((h) => !isOn(h, off, solo));
  return now.includes(head) ? now.filter((h) => h !== head) : [...now, head].sort((a, b) => a - b);
}

/** @typedef {import("./view.js").Context<State>} Context */

export default view("hs", ["_frame", "off", "solo"], (/** @type {Context} */ { model, root, put }) => {
  const line = element("div", "hs-line", root);
  const bar = element("div", "hs-heads", root, { role: "group", "aria-label": "Heads" });
  const legend = element("div", "hs-legend", root);
  /** @type {ReturnType<makeCard>[]} */
  const cards = [];

  /** @param {number} head */
  function makeCard(head) {
    const box = element("div", "hs-head", bar);
    const label = element("label", "hs-switch", box);
    const on = element("input", "", label, { type: "checkbox" });
    label.append(`head ${head} on`);
    const alone = element("button", "hs-alone", box, { type: "button" });
    alone.textContent = `only head ${head}`;
    const track = element("div", "hs-track", box);
    const fill = element("span", "hs-fill", element("span", "hs-whole", track));
    const number = element("span", "hs-number", track);
    on.onchange = () => put({ off: pressed(head, model.get("_frame").count, model.get("off"), model.get("solo")), solo: null });
    alone.onclick = () => put({ solo: model.get("solo") === head ? null : head });
    return { box, on, alone, track, fill, number };
  }

  function draw() {
    const { line: about, count, distances, legend: meaning } = model.get("_frame");
    const gone = Boolean(model.get("_gone"));
    write(line, gone ? RUN_AGAIN : about);
    while (cards.length < count) cards.push(makeCard(cards.length));
    while (cards.length > count) cards.pop()?.box.remove();
    cards.forEach(({ on, alone, track, fill, number }, head) => {
      on.checked = isOn(head, model.get("off"), model.get("solo"));
      on.disabled = alone.disabled = gone;
      set(alone, { "aria-pressed": model.get("solo") === head });
      track.hidden = !meaning;
      const distance = distances[head] ?? NaN;
      fill.style.width = `${Math.round(100 * within(distance || 0, 0, 1))}%`;
      number.textContent = distances.length ? two(distance) : "\u00a0"; // none for the moment: a space keeps its line
    });
    legend.textContent = meaning;
  }
  return { draw };
});
