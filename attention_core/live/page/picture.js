// A picture as crisp pixels, cut into cells: each tinted by its weight, or hatched; one is chosen. The reader
// chooses a cell, drags from cell to cell, or paints pixels: Python is told, and says what comes of it.

import { bytes } from "./bytes.js";
import { element, keepRoom, set, shape } from "./dom.js";
import { RUN_AGAIN } from "./kernel.js";
import { taken } from "./keys.js";
import { write } from "./marked.js";
import { inCell, within } from "./numbers.js";
import { handGrid, LARGEST, lineTo, merged, nameOf, placeByKey, scaleOf } from "./pixels.js";
import { view } from "./view.js";

/** @typedef {import("./pixels.js").Frame} Frame */
/** @typedef {import("./pixels.js").Handle} Handle */
/** @typedef {import("./pixels.js").Place} Place */
/** @typedef {import("./pixels.js").Wish} Wish */
/** @typedef {{ _frame: Omit<Frame, "pixels"> | { size?: undefined }, _pixels: DataView, _gone?: boolean }} State */
/** @typedef {import("./view.js").Context<State>} Context */

const ROOM_FOR_NUMBER = 30; // px
const CELLS_WITH_NAMES = 256; // above this, only the cell under the cursor exists for assistive tools
const LOST = 3000; // ms after which no answer comes any more


export default view("pc", ["_frame", "_pixels"], (/** @type {Context} */ { model, root }) => {
  const said = element("div", "pc-said", root, { role: "status" });
  const field = element("div", "pc-field", root);
  const canvas = element("canvas", "pc-pixels", field);
  const svg = shape("svg", field, { class: "pc-over", "aria-hidden": "true", preserveAspectRatio: "none" });
  const grid = element("div", "pc-grid", field, { role: "grid" });
  const here = element("div", "pc-here", root, { "aria-live": "polite" });
  const hint = element("div", "pc-hint", root);
  const hatch = `pc-hatch-${Math.random().toString(36).slice(2)}`; // the page has a copy of this for each view
  /** @type {Place} */
  let cursor = { row: 0, column: 0 };
  /** @type {number | null} */
  let shownChosen = null;
  let made = ""; // what cells and tints were made for
  /** @type {Map<string, HTMLElement>} */
  const cells = new Map();
  /** @type {{ tint: SVGElement, hatched: SVGElement, dot: SVGElement, number: SVGElement | null, shown: string }[]} */
  let marks = [];
  /** @type {DataView | null} */
  let painted = null; // on the canvas
  /** @type {SVGElement[]} */
  let outlines = [];
  let lines = shape("g", svg);

  const frameNow = () => /** @type {Frame} */ ({ ...model.get("_frame"), pixels: model.get("_pixels") });
  const there = () => Boolean(model.get("_frame").size);

  // ---- what is told to Python: one wish at a time, those that come meanwhile as one

  /** @type {Wish | null} */
  let waiting = null;
  let sentAt = -Infinity;
  /** @param {Wish} wish */
  function tell(wish) {
    if (model.get("_gone")) return;
    const all = waiting ? merged(waiting, wish) : wish;
    const busy = performance.now() - sentAt < LOST;
    waiting = busy ? all : null;
    if (busy) return;
    sentAt = performance.now();
    model.send(all);
  }
  const answered = (/** @type {{ done?: boolean }} */ content) => {
    if (!content.done) return;
    sentAt = -Infinity;
    const next = waiting;
    waiting = null;
    if (next) tell(next);
  };
  model.on("msg:custom", answered);

  // ---- what stays while grid, size and room do

  /** @param {Frame} frame @param {number} scale */
  function make(frame, scale) {
    const [height, width] = frame.size;
    const [rows, columns] = frame.grid;
    [canvas.width, canvas.height] = [width, height];
    painted = null;
    Object.assign(field.style, { width: `${scale * width}px`, height: `${scale * height}px` });
    const [w, h] = [scale * width / columns, scale * height / rows];
    set(svg, { viewBox: `0 0 ${scale * width} ${scale * height}` });
    svg.replaceChildren();
    const pattern = shape("pattern", shape("defs", svg), { id: hatch, width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
    shape("rect", pattern, { class: "pc-hatch-ground", width: 7, height: 7 });
    shape("rect", pattern, { class: "pc-hatch-line", width: 2, height: 7 });
    marks = Array.from({ length: rows * columns }, (_, i) => {
      const box = { x: (i % columns) * w, y: Math.floor(i / columns) * h, width: w, height: h };
      return {
        tint: shape("rect", svg, { class: "pc-tint", ...box }),
        hatched: shape("rect", svg, { class: "pc-hatched", fill: `url(#${hatch})`, ...box }),
        dot: shape("circle", svg, { class: "pc-dot", cx: box.x + Math.min(9, w / 2), cy: box.y + Math.min(9, h / 2), r: Math.min(4.5, w / 4) }),
        number: Math.min(w, h) < ROOM_FOR_NUMBER ? null : shape("text", svg, { class: "pc-number", x: box.x + w - 3, y: box.y + h - 4 }),
        shown: "",
      };
    });
    lines = shape("g", svg, { class: "pc-lines", transform: `scale(${scale})` });
    svg.append(...marks.flatMap(({ number }) => number ?? [])); // a line hides none
    outlines = ["pc-rim", "pc-chosen"].map((name) => shape("rect", svg, { class: name, width: w, height: h }));
    const [downs, across] = handGrid(frame);
    const focused = grid.contains(document.activeElement);
    if (made === "" && frame.looker !== null) cursor = { row: Math.floor(frame.looker / columns), column: frame.looker % columns };
    cursor = { row: Math.min(cursor.row, downs - 1), column: Math.min(cursor.column, across - 1) };
    cells.clear();
    grid.replaceChildren();
    set(grid, { "aria-rowcount": downs, "aria-colcount": across });
    const all = downs * across <= CELLS_WITH_NAMES;
    for (const row of all ? Array(downs).keys() : [cursor.row]) {
      const line = element("div", "pc-line", grid, { role: "row" });
      for (const column of all ? Array(across).keys() : [cursor.column]) {
        put(element("div", "pc-cell", line, { role: "gridcell", tabindex: -1 }), row, column);
      }
    }
    if (focused) cellAt()?.focus({ preventScroll: true });
  }

  /** @param {HTMLElement} cell @param {number} row @param {number} column */
  function put(cell, row, column) {
    const [rows, columns] = handGrid(frameNow());
    cell.parentElement?.setAttribute("aria-rowindex", String(row + 1));
    cell.setAttribute("aria-colindex", String(column + 1));
    Object.assign(cell.style, {
      left: `${100 * column / columns}%`, top: `${100 * row / rows}%`, width: `${100 / columns}%`, height: `${100 / rows}%`,
    });
    cells.set(`${row},${column}`, cell);
  }

  const cellAt = () => cells.get(`${cursor.row},${cursor.column}`);

  /** @param {Place} to @param {boolean} [focus] */
  function moveTo(to, focus = false) {
    cursor = to;
    if (!cellAt()) { // the very same one: a new one would not have the focus
      const [only] = cells.values();
      cells.clear();
      put(only, to.row, to.column);
    }
    showCursor();
    if (focus) cellAt()?.focus({ preventScroll: true });
  }

  function showCursor() {
    grid.querySelector('[tabindex="0"]')?.setAttribute("tabindex", "-1");
    const cell = cellAt();
    const name = nameOf(frameNow(), cursor);
    if (cell) set(cell, { tabindex: 0, "aria-label": name });
    if (here.textContent !== name) here.textContent = name; // the same words are not read out again
  }

  // ---- the hand

  /** @param {MouseEvent} event @returns {Place} */
  function placeUnder(event) {
    const box = grid.getBoundingClientRect(); // scaled, when the page is zoomed by CSS
    const [rows, columns] = handGrid(frameNow());
    return {
      row: within(Math.floor(((event.clientY - box.top) / box.height) * rows), 0, rows - 1),
      column: within(Math.floor(((event.clientX - box.left) / box.width) * columns), 0, columns - 1),
    };
  }

  const isCells = () => frameNow().by === "cell";
  const cellOf = (/** @type {Place} */ { row, column }) => row * frameNow().grid[1] + column;

  /** @type {number | null} */
  let grabbed = null; // where a drag that moves a control has come to; the answer may be on its way

  /** @param {Handle} handle @param {number} to */
  async function turn({ control, trait, values }, to) {
    grabbed = to;
    if (values[to] === null || model.get("_gone")) return;
    const other = await model.widget_manager?.get_model?.(control);
    other?.set(trait, values[to]); // as if its own hand had: frames that are held for it show at once
    other?.save_changes();
  }

  let going = false; // whether a drag has begun
  /** @param {Place} from @param {Place} to */
  function go(from, to) {
    if (from.row === to.row && from.column === to.column) return;
    const begun = !going;
    going = true;
    const { handle } = frameNow();
    const start = isCells() ? cellOf(from) : null;
    if (handle && start !== null && (start === grabbed || handle.cells.includes(start))) turn(handle, cellOf(to));
    else tell(isCells() ? { dragged: [cellOf(from), cellOf(to)], begun } : { painted: lineTo(from, to) });
  }

  /** @param {Place} place */
  const press = (place) => tell(isCells() ? { chosen: cellOf(place) } : { painted: [[place.row, place.column]] });

  /** @type {Place | null} */
  let held = null; // where the pressed hand was last
  let dragged = false;
  grid.addEventListener("pointerdown", (event) => {
    if (event.button || !there()) return;
    grid.setPointerCapture(event.pointerId);
    event.preventDefault();
    grid.classList.add("pc-pointed"); // the hand sees where it is: a ring is for keys
    held = placeUnder(event);
    dragged = going = false;
    grabbed = null;
    moveTo(held, true);
    if (!isCells()) press(held);
  });
  grid.addEventListener("pointermove", (event) => {
    if (!there() || (event.pointerType === "touch" && !held)) return;
    const place = placeUnder(event);
    if (place.row !== cursor.row || place.column !== cursor.column) moveTo(place, grid.contains(document.activeElement));
    if (!held || (place.row === held.row && place.column === held.column)) return;
    dragged = true;
    go(held, place);
    held = place;
  });
  const ended = (/** @type {PointerEvent} */ event) => {
    if (held && !dragged && event.type === "pointerup" && isCells()) press(held);
    held = null;
  };
  grid.addEventListener("pointerup", ended);
  grid.addEventListener("pointercancel", ended);
  grid.addEventListener("keydown", (event) => {
    if (!there() || event.altKey || event.metaKey) return;
    grid.classList.remove("pc-pointed");
    if (!event.shiftKey) [grabbed, going] = [null, false];
    const to = placeByKey(handGrid(frameNow()), cursor, event);
    if (to) {
      if (event.shiftKey) go(cursor, to);
      moveTo(to, true);
    } else if (event.key === "Enter" || event.key === " ") press(cursor);
    else return;
    taken(event);
  });

  grid.addEventListener("focusout", ({ relatedTarget }) => {
    if (!(relatedTarget instanceof Node && grid.contains(relatedTarget))) [grabbed, going] = [null, false];
  });
  grid.addEventListener("focusin", ({ target }) => { // by whatever way: what is in focus is under the cursor
    for (const [where, cell] of cells) {
      if (cell !== target || cell === cellAt()) continue;
      const [row, column] = where.split(",").map(Number);
      moveTo({ row, column });
    }
  });

  // ---- frames

  function draw() {
    keepRoom(root, !there());
    const gone = Boolean(model.get("_gone"));
    const sent = model.get("_frame");
    write(said, gone ? RUN_AGAIN : (sent.size && sent.said) || "");
    field.hidden = here.hidden = hint.hidden = !there();
    if (!sent.size) { made = ""; return; }
    const frame = frameNow();
    const scale = scaleOf(frame.size, root.clientWidth || LARGEST, frame.side);
    const making = JSON.stringify([frame.size, frame.grid, frame.by, scale]);
    if (making !== made) { make(frame, scale); made = making; }
    if (frame.by === "cell" && frame.looker === null && frame.chosen !== null && frame.chosen !== shownChosen && !grid.contains(document.activeElement)) {
      cursor = { row: Math.floor(frame.chosen / frame.grid[1]), column: frame.chosen % frame.grid[1] }; // it was chosen elsewhere
    }
    shownChosen = frame.chosen;
    paint(frame);
    frame.names.forEach((_, i) => {
      const { tint, hatched, dot, number, shown } = marks[i];
      const w = frame.weights?.[i] ?? 0;
      const hidden = frame.hidden.includes(i);
      marks[i].shown = String([String(frame.weights?.[i]), hidden, frame.marked.includes(i), Boolean(frame.lines)]);
      if (marks[i].shown === shown) return; // of a hundred cells few have changed
      tint.style.fillOpacity = `calc(var(--pc-fullest) * ${hidden || frame.lines ? 0 : within(w, 0, 1)})`;
      Object.assign(hatched.style, { display: hidden ? "" : "none", fillOpacity: frame.lines ? 0.55 : 1 }); // who looks may stand there
      dot.style.display = frame.marked.includes(i) ? "" : "none";
      const nobody = !frame.weights || (frame.lines && frame.weights[i] === null);
      const text = hidden || nobody ? "" : inCell(frame.weights?.[i] ?? NaN);
      if (number && number.textContent !== text) number.textContent = text;
    });
    lines.replaceChildren();
    for (const [x0, y0, x, y, x1, y1, thick] of frame.lines ?? []) {
      shape("path", lines, { class: "pc-line-of-weight", d: `M${x0} ${y0}Q${x} ${y} ${x1} ${y1}`, "stroke-width": Math.max(0.8 / scale, thick) });
    }
    for (const line of outlines) {
      line.style.display = frame.chosen === null ? "none" : "";
      if (frame.chosen !== null) set(line, { x: marks[frame.chosen].tint.getAttribute("x") ?? 0, y: marks[frame.chosen].tint.getAttribute("y") ?? 0 });
    }
    if (hint.textContent !== frame.hint) hint.textContent = frame.hint;
    set(grid, { "aria-label": said.textContent || "a picture, cut into cells" });
    if (cells.size > 1) {
      for (const [where, cell] of cells) {
        const [row, column] = where.split(",").map(Number);
        const selected = frame.by === "cell" && frame.chosen === cellOf({ row, column });
        set(cell, { "aria-label": nameOf(frame, { row, column }), "aria-selected": selected });
      }
    }
    showCursor();
  }

  /** @param {Frame} frame */
  function paint(frame) {
    if (painted === frame.pixels) return;
    painted = frame.pixels;
    const [height, width] = frame.size;
    const image = new ImageData(width, height);
    const from = bytes(frame.pixels);
    for (let i = 0; i < width * height; i++) {
      image.data.set(from.subarray(3 * i, 3 * i + 3), 4 * i);
      image.data[4 * i + 3] = 255;
    }
    canvas.getContext("2d")?.putImageData(image, 0, 0);
  }

  return { draw, end: () => model.off("msg:custom", answered) };
}, { prompt: true });
