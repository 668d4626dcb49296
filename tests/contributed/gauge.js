// One number from 0 to 1, as a bar.

import { element } from "./dom.js";
import { RUN_AGAIN } from "./kernel.js";
import { two } from "./numbers.js";
import { view } from "./view.js";

export default view("gauge", ["_share"], ({ model, root }) => {
  const bar = element("meter", "", root, { min: 0, max: 1, "aria-label": "share" });
  const said = element("span", "", root, { role: "status" });
  function draw() {
    bar.value = model.get("_share");
    said.textContent = model.get("_gone") ? RUN_AGAIN : ` ${two(model.get("_share"))}`;
  }
  return { draw };
});
