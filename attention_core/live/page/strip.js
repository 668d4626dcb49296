// Words in a row, each tinted by a weight: the sentence itself, coloured by where a query looks.

import { element } from "./dom.js";
import { two, within } from "./numbers.js";
import { directionOf } from "./words.js";

/**
 * @typedef {object} Strip
 * @property {(texts: string[], choose: ((i: number) => void) | null) => void} write other words; with `choose` they can be pressed
 * @property {(weights: ArrayLike<number>, strongFrom: number, asking: number) => void} tint each word by its
 *   weight, from 0 to 1; above `strongFrom` it is written in the other colour; `asking` is the word that asks, or −1
 * @property {() => void} hide
 */

/**
 * The strip in `parent`, which it has for itself; `numbered`, with its weight under each word.
 * @param {HTMLElement} parent @param {boolean} [numbered] @returns {Strip}
 */
export function makeStrip(parent, numbered = false) {
  /** @type {HTMLElement[]} */
  let words = [];
  return {
    write(texts, choose) {
      parent.hidden = false;
      parent.dir = directionOf(texts);
      words = texts.map((text, i) => {
        const word = element("span", `ah-word${choose ? " ah-own" : ""}`, null, { dir: "auto" });
        word.textContent = text;
        if (numbered) element("span", "ah-number", word);
        if (choose) word.onclick = () => choose(i);
        return word;
      });
      parent.replaceChildren(...words);
    },
    tint(weights, strongFrom, asking) {
      words.forEach((word, i) => {
        const w = within(weights[i] || 0, 0, 1); // NaN tints nothing
        word.style.setProperty("--ah-weight", `${Math.round(w * 100)}%`);
        word.classList.toggle("ah-strong", w > strongFrom);
        word.classList.toggle("ah-asking", i === asking);
        if (numbered) /** @type {HTMLElement} */ (word.lastElementChild).textContent = two(weights[i] ?? NaN);
      });
    },
    hide() {
      parent.hidden = true;
      words = [];
      parent.replaceChildren();
    },
  };
}
