// The screen that the page is on.

/**
 * Calls back when a pixel of the page has another number of the screen's: the window has moved to a finer
 * screen, or is zoomed. Its width may be the same all the while. Returns what ends it.
 * @param {() => void} changed
 */
export function onPixels(changed) {
  /** @type {MediaQueryList} */
  let now;
  const watch = () => { // a query knows one number only, so that each change needs a new one
    now = matchMedia(`(resolution: ${devicePixelRatio}dppx)`);
    now.addEventListener("change", heard, { once: true });
  };
  const heard = () => { watch(); changed(); };
  watch();
  return () => now.removeEventListener("change", heard);
}
