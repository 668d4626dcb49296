// When to draw: never more often than the screen shows it.

/**
 * `soon` draws in the next frame, once, however often it is called; `stop` draws no more.
 * @param {() => void} draw
 */
export function inNextFrame(draw) {
  let waiting = 0;
  const drawn = () => { waiting = 0; draw(); };
  return { soon: () => { waiting ||= requestAnimationFrame(drawn); }, stop: () => cancelAnimationFrame(waiting) };
}

/**
 * Once a frame at most. The first change is drawn at once, so that the next frame need not wait for the
 * drawing; those that follow before that frame are drawn in it, together.
 * @param {() => void} draw
 */
export function atOnce(draw) {
  let waiting = 0;
  let late = false;
  function changed() {
    if (waiting) { late = true; return; }
    waiting = requestAnimationFrame(() => {
      waiting = 0;
      if (late) { late = false; changed(); }
    });
    queueMicrotask(() => { // when all that one message changes has been set, and told of
      late = false;
      draw();
    });
  }
  return { changed, stop: () => cancelAnimationFrame(waiting) };
}

/**
 * Runs when the next frame is on the screen; soon all the same where none is drawn, as on a page that is hidden.
 * @param {() => void} run
 */
export function afterFrame(run) {
  let over = false;
  const once = () => { if (!over) run(); over = true; };
  requestAnimationFrame(() => setTimeout(once, 0));
  setTimeout(once, 100);
}
