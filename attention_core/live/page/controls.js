// An explorer's controls, for assistive tools. ipywidgets gives its sliders no name and the number of a step
// for a value, and its choices no state. What it says to the eye stands right beside; this says it to the rest.

import { set } from "./dom.js";
import { ownKeys } from "./keys.js";

/**
 * Once the pointer is up again, wherever that is: the page may have moved under it, so that no click comes of it.
 * @param {() => void} run
 */
function afterPress(run) {
  const ends = ["pointerup", "pointercancel"];
  const over = () => {
    for (const end of ends) window.removeEventListener(end, over, true);
    window.setTimeout(run); // when the press itself has given the focus away
  };
  for (const end of ends) window.addEventListener(end, over, true);
}

/**
 * Describes the controls of the explorer around `root`, and goes on as they change; returns what ends it.
 * @param {Element} root
 */
export function describeControls(root) {
  const explorer = /** @type {HTMLElement | null} */ (root.closest(".attention-explorer"));
  if (!explorer || explorer.dataset.described) return () => {}; // another view of it does so already
  explorer.dataset.described = "true";
  const describe = () => {
    for (const slider of explorer.querySelectorAll(".widget-slider")) {
      const label = slider.querySelector(".widget-label")?.textContent ?? "";
      const handle = slider.querySelector(".noUi-handle");
      const readout = /** @type {HTMLElement | null} */ (slider.querySelector(".widget-readout"));
      if (handle) set(handle, { "aria-label": label, ...(readout?.textContent && { "aria-valuetext": readout.textContent }) });
      if (readout?.isContentEditable) set(readout, { role: "textbox", "aria-label": `${label}, as a number` });
    }
    for (const box of explorer.querySelectorAll("input[type=text]")) set(box, { dir: "auto" });
    for (const group of explorer.querySelectorAll(".widget-toggle-buttons")) {
      set(group, { role: "group", "aria-label": group.querySelector(".widget-label")?.textContent ?? "" });
    }
    for (const play of explorer.querySelectorAll(".widget-play")) {
      const names = [play.querySelector(".fa-pause") ? "Pause" : "Play", "Back to the start", "Again and again"];
      play.querySelectorAll("button").forEach((button, i) => set(button, { "aria-label": names[i], title: names[i] }));
    }
    for (const button of explorer.querySelectorAll(".widget-toggle-button")) {
      set(button, { "aria-pressed": button.classList.contains("mod-active") });
    }
  };
  const changed = new MutationObserver(describe);
  const what = { subtree: true, childList: true, characterData: true, attributeFilter: ["class", "aria-valuetext"] };
  for (const bar of /** @type {NodeListOf<HTMLElement>} */ (explorer.querySelectorAll(".attention-controls"))) {
    ownKeys(bar);
    bar.addEventListener("pointerdown", ({ target }) => { // on a slider's track: it moves the handle, which then has the keys
      const slider = target instanceof Element ? target.closest(".noUi-target") : null;
      const handle = slider?.querySelector(".noUi-handle");
      if (handle instanceof HTMLElement) afterPress(() => handle.focus({ preventScroll: true }));
    });
    changed.observe(bar, what);
  }
  describe();
  return () => { changed.disconnect(); delete explorer.dataset.described; };
}
