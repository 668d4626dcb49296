// A sentence about words, and the words, each tinted by its share and with its number.

import { element, keepRoom } from "./dom.js";
import { RUN_AGAIN } from "./kernel.js";
import { write } from "./marked.js";
import { makeStrip } from "./strip.js";
import { view } from "./view.js";

/**
 * @typedef {object} Frame what Python sends
 * @property {string} said about the words, see marked.js
 * @property {string[]} words
 * @property {(number | null)[]} shares from 0 to 1; null is no number
 */

/** @typedef {{ _frame: Frame, _gone?: boolean }} State */

/** @typedef {import("./view.js").Context<State>} Context */

export default view("ws", ["_frame"], (/** @type {Context} */ { model, root }) => {
  const said = element("div", "ws-said", root, { role: "status" });
  const strip = makeStrip(element("div", "ah-words", root), true);
  let written = ""; // the words that stand there
  function draw() {
    const { said: about, words, shares } = model.get("_frame");
    keepRoom(root, !words.length && !about);
    write(said, model.get("_gone") ? RUN_AGAIN : about);
    if (!words.length) strip.hide();
    else if (words.join("\n") !== written) strip.write(words, null);
    written = words.join("\n");
    const flip = Number(getComputedStyle(root).getPropertyValue("--ah-flip")) || 1;
    strip.tint(shares.map((share) => share ?? NaN), flip, -1);
  }
  return { draw };
});
