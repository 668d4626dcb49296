// Keys and pointer: what a view takes for itself, and what arrows and drags mean.

import { set } from "./dom.js";

const SUPPRESS = { "data-lm-suppress-shortcuts": "true" };
const NO_ARROWS = "button, [type=checkbox]"; // every other control that can have the focus uses them itself

/**
 * In `root` an arrow key folds no heading: JupyterLab asks the root, Notebook 7 only the very node in focus.
 * Escape leaves the control for its cell, where all keys are JupyterLab's again. On a slide nobody should have to
 * press it after a click on a button: there, arrows that mean nothing to the control turn the slide.
 * @param {HTMLElement} root
 */
export function ownKeys(root) {
  set(root, SUPPRESS);
  root.addEventListener("focusin", ({ target }) => { if (target instanceof Element) set(target, SUPPRESS); });
  const pass = (/** @type {KeyboardEvent} */ event) => {
    const { target } = event;
    const cell = /** @type {HTMLElement | null} */ (root.closest(".jp-Cell"));
    if (!cell || event.defaultPrevented || event.isComposing || !(target instanceof Element)) return;
    const turns = ARROWS[event.key] && target.matches(NO_ARROWS) && root.closest(".jp-Deck");
    if (!turns && event.key !== "Escape") return;
    taken(event);
    cell.focus({ preventScroll: true });
    if (turns) cell.dispatchEvent(new KeyboardEvent(event.type, event));
  };
  root.addEventListener("keydown", pass);
  root.addEventListener("keydown", (event) => { // ipywidgets lets nobody hear of a key in a text box
    if (event.target instanceof HTMLInputElement && event.target.type === "text") pass(event);
  }, { capture: true });
}

/**
 * Right and up of an arrow key; undefined for any other.
 * @type {Record<string, [number, number] | undefined>}
 */
export const ARROWS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

/**
 * Nobody else acts on it.
 * @param {Event} event
 */
export function taken(event) {
  event.preventDefault();
  event.stopPropagation();
}

/**
 * Follows a pointer that was pressed on this node, wherever it goes.
 * @param {SVGElement} node @param {(event: PointerEvent) => void} drag
 */
export function onDrag(node, drag) {
  node.addEventListener("pointerdown", (event) => {
    node.setPointerCapture(event.pointerId);
    node.focus();
    event.preventDefault();
  });
  node.addEventListener("pointermove", (event) => { if (node.hasPointerCapture(event.pointerId)) drag(event); });
}
