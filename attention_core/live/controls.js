
// ---------------------------------------------------------------- an explorer's controls, for assistive tools

// ipywidgets gives its sliders no name and the number of a step for a value, and its choices no state.
// What it says to the eye stands right beside; this says it to the rest. Returns what ends it.
function describeControls(root) {
  const explorer = root.closest(".attention-explorer");
  if (!explorer) return () => {};
  const set = (node, attributes) => {
    for (const [name, value] of Object.entries(attributes)) {
      if (node && node.getAttribute(name) !== value) node.setAttribute(name, value); // else it would go on for ever
    }
  };
  const describe = () => {
    for (const slider of explorer.querySelectorAll(".widget-slider")) {
      const label = slider.querySelector(".widget-label")?.textContent ?? "";
      const readout = slider.querySelector(".widget-readout");
      const value = readout?.textContent ? { "aria-valuetext": readout.textContent } : {};
      set(slider.querySelector(".noUi-handle"), { "aria-label": label, ...value });
      if (readout?.isContentEditable) set(readout, { role: "textbox", "aria-label": `${label}, as a number` });
    }
    for (const group of explorer.querySelectorAll(".widget-toggle-buttons")) {
      set(group, { role: "group", "aria-label": group.querySelector(".widget-label")?.textContent ?? "" });
    }
    for (const button of explorer.querySelectorAll(".widget-toggle-button")) {
      set(button, { "aria-pressed": String(button.classList.contains("mod-active")) });
    }
    for (const said of explorer.querySelectorAll(".attention-said")) set(said, { role: "status" });
  };
  const changed = new MutationObserver(describe);
  const what = { subtree: true, childList: true, characterData: true, attributeFilter: ["class", "aria-valuetext"] };
  for (const bar of explorer.querySelectorAll(".attention-controls")) {
    set(bar, { "data-lm-suppress-shortcuts": "true" }); // an arrow key is the slider's, and folds no heading
    bar.addEventListener("focusin", (event) => set(event.target, { "data-lm-suppress-shortcuts": "true" })); // Notebook 7 asks only the slider itself
    changed.observe(bar, what);
  }
  describe();
  return () => changed.disconnect();
}
