// A line to the kernel that is answered during a cell: a widget's own messages wait until the cell has ended.

const LINE = "attention_core.training"; // as in training.py
const PATIENCE = 5000; // ms

/**
 * null where the page or the kernel has no such line.
 * @param {any} kernel JupyterLab's
 */
export async function openLine(kernel) {
  if (!kernel?.createComm) return null;
  const line = kernel.createComm(LINE);
  const none = new Promise((resolve) => setTimeout(resolve, PATIENCE, "none"));
  if ((await Promise.race([line.subshellStarted, none])) === "none" || !line.subshellId) { line.dispose(); return null; }
  line.open();
  return line;
}
