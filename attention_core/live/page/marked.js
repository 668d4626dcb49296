// Sentences as Python writes them: `**bold**` is bold, a line break begins another paragraph.

import { worded } from "./dom.js";

/**
 * Its pieces, every second one bold.
 * @param {string} text
 */
export const pieces = (text) => text.split("**");

/**
 * Writes it into `node`, unless it stands there already: the same words are not read out again.
 * @param {Element} node @param {string} text
 */
export function write(node, text) {
  if (node.getAttribute("data-text") === text) return;
  node.setAttribute("data-text", text);
  node.replaceChildren(...text.split("\n").map((line) => {
    const paragraph = document.createElement("p");
    paragraph.append(...pieces(line).map((piece, i) => (i % 2 ? worded("strong", piece) : piece)));
    return paragraph;
  }));
}
