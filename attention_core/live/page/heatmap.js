// The live heatmap. Python sends one frame (weights, labels, perhaps scores and a mask); the page paints it
// and says in words what the cursor is on. It computes no attention: only what is shown.

import { onTheme, readPalette } from "./colour.js";
import { describeControls } from "./controls.js";
import { countFrame, element, keepRoom } from "./dom.js";
import { download, makeFoot } from "./foot.js";
import { alike, largestCell, NOTHING, readFrame, rowOf } from "./frame.js";
import { focusCell, listen, makeCells, makeOthers, moveCell, nameCells } from "./grid.js";
import { makeHead, showMarks, showOutline, showSums } from "./head.js";
import { noteKernel, RUN_AGAIN } from "./kernel.js";
import { ownKeys } from "./keys.js";
import { measure } from "./layout.js";
import { onChange } from "./model.js";
import { paint } from "./paint.js";
import { makeReadout } from "./readout.js";
import { atOnce, inNextFrame } from "./schedule.js";
import { onPixels } from "./screen.js";
import { makeStrip } from "./strip.js";

const UNDER_CURVES = 0.36; // of the window's height: what a single map may take below the curves of a training
const BESIDE_TABLE = 360; // px: what is told beside it has its room, too

/** @typedef {import("./frame.js").Cell} Cell */

/**
 * @typedef {object} State
 * @property {import("./frame.js").SentFrame | { shape?: undefined }} _frame without a shape there is nothing to show
 * @property {DataView} _palette 256 × red, green, blue, ink
 * @property {string} title
 * @property {string} message
 * @property {boolean} per_row
 * @property {boolean} show_sums
 * @property {number[]} faded heads whose output is not used
 * @property {number[]} pinned
 * @property {[] | [import("./head.js").Span, import("./head.js").Span]} outlined
 * @property {boolean} projector
 * @property {boolean} [_gone]
 */

/** @param {{ model: import("./model.js").Model<State>, el: HTMLElement }} context */
function render({ model, el }) {
  const palette = readPalette(model.get("_palette"));
  const root = element("div", "ah", el);
  ownKeys(root);
  const title = element("div", "ah-title", root, { dir: "auto" });
  const message = element("div", "ah-message", root, { role: "status" });
  const strip = makeStrip(element("div", "ah-words", root));
  const body = element("div", "ah-body", root);
  const maps = element("div", "ah-maps", body);
  const showReadout = makeReadout(element("div", "ah-panel", body));
  const foot = makeFoot(root, palette.gradient);

  /** @type {import("./frame.js").Scene} */
  const scene = { frame: NOTHING, cursor: { head: 0, row: 0, column: 0 }, pinned: [], perRow: false };
  /** @type {import("./head.js").HeadView[]} */
  let heads = [];
  let made = ""; // what the layout was made for
  /** @type {State["_frame"]} */
  let sent = {}; // the frame that is drawn
  let own = false; // whether the words looked at are those that look
  let width = 0; // of the room that the page gives
  /** @type {{ dim: string, flip: number } | null} */
  let colours = null; // what canvas and words need of the stylesheet
  /** @type {(() => void) | null} */
  let undescribe = null;

  // ---- layout: made anew when labels, shape or width change, never on a slider move

  function layout() {
    const { frame } = scene;
    const watched = root.closest(".attention-training"); // its curves and its map are seen at once
    const told = root.closest(".attention-tiling, .attention-picture");
    const tallest = watched ? UNDER_CURVES * innerHeight : told ? BESIDE_TABLE : undefined;
    const pairs = Boolean(root.closest(".attention-translation"));
    const size = measure(frame, { width, projector: model.get("projector"), tallest, pairs });
    const focused = heads.findIndex((view) => view.grid.contains(document.activeElement));
    maps.replaceChildren();
    heads = frame.names.map((_, head) => makeHead(maps, frame, head, size, model.get("show_sums")));
    for (const view of heads) {
      listen(view, scene, actions);
      if (pairs) makeCells(view, scene, false); // with each letter typed anew: the others soon
      else makeCells(view, scene);
    }
    if (heads[focused]) focusCell(heads[focused], scene.cursor);
    body.classList.toggle("ah-many", frame.heads > 1);
    own = frame.queries.join("\n") === frame.keys.join("\n");
    if (frame.columns > 48 || frame.columns < 2) strip.hide();
    else strip.write(frame.keys, own ? (row) => { actions.moveTo({ ...scene.cursor, row }); actions.pin(row); } : null);
  }

  // ---- what the reader does

  /** @type {import("./grid.js").Actions} */
  const actions = {
    moveTo(cell, focus = false) {
      scene.cursor = cell;
      for (const view of heads) moveCell(view, scene, focus && view.head === cell.head);
      showCursor();
    },
    pin(row) { // at most two, so that they can be compared; pinning one again frees it
      const { pinned } = scene;
      setPinned(pinned.includes(row) ? pinned.filter((r) => r !== row) : [...pinned.slice(-1), row]);
    },
    free() { setPinned([]); },
  };

  /** @param {number[]} rows */
  function setPinned(rows) {
    model.set("pinned", rows);
    model.save_changes();
  }

  foot.perRow.onchange = () => { model.set("per_row", foot.perRow.checked); model.save_changes(); };
  foot.large.onchange = () => { model.set("projector", foot.large.checked); model.save_changes(); };
  let asked = false; // for a picture: the answer reaches every view of this map
  for (const button of foot.saves) {
    button.onclick = () => { asked = true; model.send({ save: button.textContent?.toLowerCase() }); };
  }
  const saved = (/** @type {{ save: string, type: string }} */ content, /** @type {DataView[]} */ buffers) => {
    if (content.save && asked) download(content, buffers[0]);
    asked = false;
  };

  // ---- what follows the cursor

  function showCursor() {
    const { frame, cursor, pinned } = scene;
    if (frame === NOTHING) return;
    for (const view of heads) showMarks(view, scene);
    showReadout(scene);
    const asking = pinned.length ? pinned[pinned.length - 1] : cursor.row;
    strip.tint(rowOf(frame, cursor.head, asking), colours?.flip ?? 1, own ? asking : -1);
  }

  let naming = 0;
  let staleSince = 0; // names that are not written yet
  function nameAllSoon() { // off the path of a slider move; but once a second while frames keep coming
    if (naming) clearTimeout(naming); else staleSince = performance.now();
    naming = window.setTimeout(() => {
      naming = 0;
      if (scene.frame === NOTHING) return; // a message may have taken the map's place meanwhile
      for (const view of heads) {
        makeOthers(view, scene);
        nameCells(view, scene);
      }
    }, Math.max(0, Math.min(150, staleSince + 1000 - performance.now())));
  }

  // ---- frames

  const seenPins = () => model.get("pinned").filter((row) => row < scene.frame.rows);

  function draw() {
    show();
    countFrame(root);
  }

  function show() {
    const first = scene.frame === NOTHING;
    sent = model.get("_frame");
    const frame = scene.frame = readFrame(sent);
    const gone = Boolean(model.get("_gone"));
    keepRoom(root, frame === NOTHING);
    if (title.textContent !== model.get("title")) title.textContent = model.get("title");
    const remark = gone ? RUN_AGAIN : model.get("message");
    if (message.textContent !== remark) message.textContent = remark; // read out once
    for (const button of foot.saves) button.disabled = gone;
    body.hidden = foot.node.hidden = frame === NOTHING;
    if (frame === NOTHING) { strip.hide(); made = ""; return; }
    scene.pinned = seenPins();
    const { head, row, column } = first ? firstCell() : scene.cursor;
    scene.cursor = { head: Math.min(head, frame.heads - 1), row: Math.min(row, frame.rows - 1), column: Math.min(column, frame.columns - 1) };
    foot.large.checked = model.get("projector");
    root.classList.toggle("ah-projector", foot.large.checked);
    const { names, queries, keys, reading } = frame;
    const making = JSON.stringify([names, queries, keys, reading, width, model.get("show_sums"), foot.large.checked]);
    colours ??= readColours();
    if (making !== made) { made = making; layout(); }
    const perRow = scene.perRow = model.get("per_row");
    for (const view of heads) {
      paint(view.canvas, frame, view.head, view.size, { palette, perRow, dim: colours.dim });
      view.canvas.classList.toggle("ah-faded", model.get("faded").includes(view.head));
      showSums(view, frame);
      showOutline(view, frame, model.get("outlined"));
    }
    foot.show(frame, perRow);
    showCursor();
    nameAllSoon();
  }

  /**
   * Where the reader starts: in the row that is pinned last, or at the largest weight of all.
   * @returns {Cell}
   */
  function firstCell() {
    const { frame, pinned } = scene;
    if (!pinned.length) return largestCell(frame);
    const row = pinned[pinned.length - 1];
    return { head: 0, row, column: rowOf(frame, 0, row).reduce((best, w, i, all) => (w > all[best] ? i : best), 0) };
  }

  function readColours() {
    const flip = Number(getComputedStyle(root).getPropertyValue("--ah-flip"));
    return { dim: getComputedStyle(foot.node).color, flip }; // as it is shown, also where the system chooses it
  }

  const drawing = atOnce(draw);
  const fitting = inNextFrame(() => { // in a frame of its own: the observer must not see what it causes
    undescribe ??= describeControls(root);
    width = root.clientWidth;
    colours = null; // outside of a page there are none
    draw();
  });
  // what was shown beforehand need not be drawn once more when Python says the same
  const news = onChange(model, ["_frame"], () => { if (!alike(model.get("_frame"), sent)) drawing.changed(); });
  const changed = onChange(
    model, ["title", "message", "per_row", "show_sums", "faded", "outlined", "projector", "_gone"], drawing.changed,
  );
  const pins = onChange(model, ["pinned"], () => { scene.pinned = seenPins(); showCursor(); nameAllSoon(); });
  model.on("msg:custom", saved);
  const resized = new ResizeObserver(() => { if (root.clientWidth && root.clientWidth !== width) fitting.soon(); });
  resized.observe(root);
  const themed = onTheme(() => { colours = null; drawing.changed(); });
  const pixels = onPixels(drawing.changed);
  fitting.soon();
  return () => {
    for (const end of [drawing.stop, fitting.stop, news, changed, pins, themed, pixels]) end();
    clearTimeout(naming);
    undescribe?.();
    resized.disconnect();
    model.off("msg:custom", saved);
  };
}

export default { initialize: noteKernel, render };
