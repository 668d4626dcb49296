// A view whose kernel has gone.

/** @typedef {{ _gone?: boolean }} Gone part of every view's state, set by the page alone */

export const RUN_AGAIN = "The kernel that made this has gone. Run its cell again.";
const ENDS = ["restarting", "autorestarting", "terminating", "dead"]; // a kernel's status, in JupyterLab's words

/**
 * Once for each model: notes in it, for all its views, that its kernel was restarted, died, was shut down or
 * exchanged. ipywidgets' own event knows only the first of these. A page that has no kernel notes nothing.
 * @param {{ model: import("./model.js").Model<Gone> }} context
 */
export function noteKernel({ model }) {
  const kernel = model.widget_manager?.kernel;
  if (!kernel?.statusChanged) return undefined;
  const note = () => { model.set("_gone", true); }; // set, not saved: nobody is there to hear it
  const heard = (/** @type {unknown} */ _, /** @type {string} */ status) => { if (ENDS.includes(status)) note(); };
  kernel.statusChanged.connect(heard);
  kernel.disposed.connect(note);
  return () => {
    kernel.statusChanged.disconnect(heard);
    kernel.disposed.disconnect(note);
  };
}
