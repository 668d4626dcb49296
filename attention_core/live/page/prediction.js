// A question and its options. The kernel holds the state: a press sends a wish, the frame says what came of it.

import { element } from "./dom.js";
import { RUN_AGAIN } from "./kernel.js";
import { view } from "./view.js";

/**
 * @typedef {object} Frame what Python sends
 * @property {string} question
 * @property {string[]} options
 * @property {number | null} chosen the option taken, by its number
 * @property {number | null} answer the option that is right, once it is revealed
 * @property {boolean} open whether a choice may still be made, or changed
 * @property {string} said
 */
/** @typedef {{ _frame: Frame, _gone?: boolean }} State */

/** @type {Record<string, string>} */
const MARKS = { right: "✓ ", wrong: "✗ ", chosen: "● " };

/**
 * What becomes of an option.
 * @param {Frame} frame @param {number} i
 */
export function stateOf({ chosen, answer }, i) {
  if (i === answer) return "right";
  if (i !== chosen) return "";
  return answer === null ? "chosen" : "wrong";
}

/** @typedef {import("./view.js").Context<State>} Context */

export default view("ap", ["_frame"], (/** @type {Context} */ { model, root }) => {
  const question = element("div", "ap-question", root);
  const options = element("div", "ap-options", root, { role: "group" });
  const said = element("div", "ap-said", root, { role: "status" }); // read out when it changes
  /** @type {HTMLButtonElement[]} */
  const buttons = [];

  function draw() {
    const frame = model.get("_frame");
    const gone = model.get("_gone") === true;
    const open = frame.open && !gone;
    question.textContent = frame.question;
    options.setAttribute("aria-label", frame.question); // no id: another prediction's page might hold the same one
    while (buttons.length > frame.options.length) buttons.pop()?.remove();
    frame.options.forEach((option, i) => {
      if (!buttons[i]) {
        buttons[i] = element("button", "ap-option", options, { type: "button" });
        buttons[i].addEventListener("click", () => model.send({ choose: i }));
      }
      const state = stateOf(frame, i);
      buttons[i].textContent = (MARKS[state] ?? "") + option;
      buttons[i].dataset.state = state;
      buttons[i].setAttribute("aria-pressed", String(i === frame.chosen));
      // not `disabled`: the focus stays where the learner left it, and a press is answered in words
      buttons[i].setAttribute("aria-disabled", String(!open));
    });
    said.textContent = gone ? RUN_AGAIN : frame.said;
  }

  return { draw };
});
