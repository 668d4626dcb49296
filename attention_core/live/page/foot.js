// The line under a map: what its rows are, its legend, and the reader's choices.

import { element } from "./dom.js";
import { captionOf, hidden } from "./words.js";

/** @typedef {import("./frame.js").Frame} Frame */

/** @param {HTMLElement} root @param {string} gradient of the legend */
export function makeFoot(root, gradient) {
  const foot = element("div", "ah-foot", root);
  const caption = element("span", "ah-caption", foot);
  element("span", "ah-hint", foot).textContent = "Point or use arrow keys; click or Enter pins a row, Escape frees it.";
  const legend = element("span", "ah-legend", foot);
  const tools = element("span", "ah-tools", foot);
  const low = element("span", "", legend);
  element("span", "ah-ramp", legend).style.background = gradient;
  const high = element("span", "", legend);
  const mask = element("span", "ah-masked", legend);
  element("span", "ah-hatch", mask);
  const masked = element("span", "", mask);
  const perRow = checkbox(tools, "each row on its own scale");
  const large = checkbox(tools, "projector");
  const saves = ["PNG", "SVG"].map((kind) => {
    const button = element("button", "ah-button", tools, { type: "button", "aria-label": `Save the picture as ${kind}` });
    button.textContent = kind;
    return button;
  });

  return {
    node: foot, perRow, large, saves,
    /** @param {Frame} frame @param {boolean} ownScales */
    show(frame, ownScales) {
      perRow.checked = ownScales;
      [low.textContent, high.textContent] = ownScales ? ["0", "row’s largest"] : ["0", "1"];
      caption.textContent = captionOf(frame);
      masked.textContent = hidden(frame);
      mask.hidden = !frame.allowed?.includes(0);
    },
  };
}

/** @param {HTMLElement} parent @param {string} text */
function checkbox(parent, text) {
  const box = element("input", "", element("label", "ah-toggle", parent), { type: "checkbox" });
  box.after(text);
  return box;
}

/**
 * Hands the reader a file.
 * @param {{ save: string, type: string }} kind @param {BlobPart} content
 */
export function download({ save, type }, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = `attention.${save}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
