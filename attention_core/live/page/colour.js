// Colours come from Python, 256 × red, green, blue and ink, so that the page and the still picture agree.

import { bytes } from "./bytes.js";

/**
 * @typedef {object} Palette
 * @property {Uint32Array} packed the colours as ImageData holds them
 * @property {Uint8Array} ink 1 where black text reads better than white
 * @property {string} gradient for a legend
 */

/** @param {DataView} view @returns {Palette} */
export function readPalette(view) {
  const sent = bytes(view);
  const packed = new Uint32Array(256);
  const ink = new Uint8Array(256);
  for (let i = 0; i < 256; i++) {
    const [r, g, b, black] = sent.subarray(4 * i, 4 * i + 4);
    packed[i] = (255 << 24) | (b << 16) | (g << 8) | r;
    ink[i] = black;
  }
  const stops = Array.from({ length: 17 }, (_, i) => 4 * Math.min(255, 16 * i));
  const ramp = stops.map((at) => `rgb(${sent.subarray(at, at + 3).join(" ")})`);
  return { packed, ink, gradient: `linear-gradient(90deg, ${ramp.join(", ")})` };
}

/**
 * Which of the 256 colours a share of the scale has.
 * @param {number} x
 */
export const shade = (x) => (x >= 1 ? 255 : x > 0 ? (x * 255.999) | 0 : 0);

export const NOT_A_NUMBER = 0xff8080c0; // a red that the map does not contain

/**
 * Calls back when JupyterLab's theme, which it names on the body, changes, or the system's, which may choose
 * all colours; returns what ends it.
 * @param {() => void} changed
 */
export function onTheme(changed) {
  const themed = new MutationObserver(changed);
  themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name"] });
  const system = ["(forced-colors: active)", "(prefers-color-scheme: dark)"].map((query) => matchMedia(query));
  for (const one of system) one.addEventListener("change", changed);
  return () => {
    themed.disconnect();
    for (const one of system) one.removeEventListener("change", changed);
  };
}
