// Keys and pointer: what a view takes for itself, and what arrows and drags mean.

import { set } from "./dom.js";

const SUPPRESS = { "data-lm-suppress-shortcuts": "true" };

/**
 * In `root` an arrow key folds no heading: JupyterLab asks the root, Notebook 7 only the very node in focus.
 * @param {HTMLElement} root
 */
export function ownKeys(root) {
  set(root, SUPPRESS);
  root.addEventListener("focusin", ({ target }) => { if (target instanceof Element) set(target, SUPPRESS); });
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
