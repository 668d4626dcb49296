// Curves side by side, as Python sends them.

import { makeCurves, readCurve } from "./curves.js";
import { element } from "./dom.js";
import { RUN_AGAIN } from "./kernel.js";
import { view } from "./view.js";

/** @typedef {{ _frame: import("./curves.js").SentCurve[], _gone?: boolean }} State */

/** @typedef {import("./view.js").Context<State>} Context */

export default view("cv", ["_frame"], (/** @type {Context} */ { model, root }) => {
  const said = element("div", "cv-said", root, { role: "status" });
  const show = makeCurves(element("div", "cv-charts", root), null);
  function draw() {
    const remark = model.get("_gone") ? RUN_AGAIN : "";
    if (said.textContent !== remark) said.textContent = remark;
    show(model.get("_frame").map(readCurve));
  }
  return { draw };
});
