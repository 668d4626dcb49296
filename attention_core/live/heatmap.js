// The live heatmap. Python sends one frame (weights, labels, perhaps scores and a mask); this file
// paints it and says in words what the cursor is on. It computes no attention: only what is shown.

const CELLS_WITH_NAMES = 1024; // above this, only the cell under the cursor exists for assistive tools
const LARGEST_CELL = { usual: 44, projector: 29 }; // px, before a projector enlarges them
const PROJECTOR = 1.6; // as in heatmap.css
const ROOM_FOR_NUMBER = 27; // px
const GAP_FROM = 9; // px: smaller cells touch
const LABEL_PITCH = 14; // px: labels that would stand closer are left out
const SUM_WIDTH = 30; // px: in narrower columns the sums stand upright

// ---------------------------------------------------------------- the frame, as typed arrays

function readFrame(raw) {
  if (!raw || !raw.shape) return null;
  const [heads, rows, columns] = raw.shape;
  const floats = (view) => view && (view.byteOffset % 4 // a copy only where the bytes do not lie as numbers must
    ? new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength))
    : new Float32Array(view.buffer, view.byteOffset, view.byteLength / 4));
  const bytes = (view) => view && new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  return {
    heads, rows, columns,
    weights: floats(raw.weights), scores: floats(raw.scores), allowed: bytes(raw.allowed),
    queries: raw.queries, keys: raw.keys, names: raw.heads, steps: raw.steps,
    terms: raw.terms && { names: raw.terms.names, query: floats(raw.terms.query), key: floats(raw.terms.key) },
  };
}

const at = (frame, { head, row, column }) => (head * frame.rows + row) * frame.columns + column;
const mayLook = (frame, cell) => !frame.allowed || frame.allowed[at(frame, cell)] === 1;

function rowOf(frame, head, row) {
  const start = at(frame, { head, row, column: 0 });
  return frame.weights.subarray(start, start + frame.columns);
}

function largestCell(frame) {
  let best = 0;
  frame.weights.forEach((w, i) => { if (w > frame.weights[best] + 1e-4) best = i; });
  const column = best % frame.columns;
  const row = Math.floor(best / frame.columns) % frame.rows;
  return { head: Math.floor(best / (frame.columns * frame.rows)), row, column };
}

// ---------------------------------------------------------------- numbers, as words

const two = (x) => (Number.isFinite(x) ? x.toFixed(2).replace("-", "−") : Number.isNaN(x) ? "NaN" : x > 0 ? "∞" : "−∞");
const quoted = (word) => `“${word}”`;

function inCell(w) { // as short as it can be without lying: .07, 1.0, and nothing for less than a half percent
  if (Number.isNaN(w)) return "NaN";
  if (w < 0 || w > 1.005) return w.toFixed(1).replace("-", "−");
  if (w >= 0.995) return "1.0";
  return w < 0.005 ? "" : w.toFixed(2).slice(1);
}

function power(x) { // eˣ, also where a double cannot hold it
  const y = Math.exp(x);
  if (y === Infinity) return `e^${x.toFixed(0)}`;
  return y >= 1e5 || y < 1e-2 ? y.toExponential(1) : y.toFixed(2);
}

function inWords(frame, cell) {
  const query = quoted(frame.queries[cell.row]);
  const key = quoted(frame.keys[cell.column]);
  const weight = frame.weights[at(frame, cell)];
  if (mayLook(frame, cell)) return [query, " gives ", two(weight), " of its attention to ", key, "."];
  const leak = Math.abs(weight) < 0.005 ? "" : `, and yet gives it ${two(weight)}`;
  return [query, " may not look at ", key, `${leak}.`];
}

function sumsInWords(frame) { // a wrong softmax must not stand under a caption that calls it right
  let [low, high] = [Infinity, -Infinity];
  for (let start = 0; start < frame.weights.length; start += frame.columns) {
    let sum = 0;
    for (let i = start; i < start + frame.columns; i++) sum += frame.weights[i];
    if (sum !== 0) [low, high] = [Math.min(low, sum), Math.max(high, sum)];
  }
  const usual = low === Infinity || (Math.abs(low - 1) < 0.005 && Math.abs(high - 1) < 0.005);
  return usual ? "its weights sum to 1" : `here rows sum to ${two(low)} … ${two(high)}`;
}

// The arithmetic behind one cell, a [label, number, remark] each; null when Python sent no scores.
function arithmetic(frame, cell) {
  if (!frame.scores) return null;
  const score = frame.scores[at(frame, cell)];
  const lines = [];
  if (frame.steps.length) {
    let x = frame.steps.reduce((product, [, factor]) => product / factor, score);
    lines.push(["query · key", two(x), dotProduct(frame, cell)]);
    for (const [label, factor] of frame.steps) lines.push([label, two((x *= factor)), ""]);
  } else lines.push(["score", two(score), ""]);
  if (!mayLook(frame, cell)) return [...lines, ["masked: −∞", "−∞", ""], ["exp", "0.00", "e^−∞ = 0"], ...otherwise(frame, cell, 0)];
  const largest = rowScores(frame, cell).reduce((m, s) => Math.max(m, s), -Infinity);
  const shifted = rowScores(frame, cell).reduce((sum, s) => sum + Math.exp(s - largest), 0);
  const weight = Math.exp(score - largest) / shifted;
  lines.push(["exp", power(score), ""]);
  lines.push(["÷ row’s sum", two(weight), `sum ${power(largest + Math.log(shifted))}`]);
  return [...lines, ...otherwise(frame, cell, weight)];
}

function otherwise(frame, cell, weight) { // where the map does not show what the arithmetic says
  const shown = frame.weights[at(frame, cell)];
  if (Math.abs(shown - weight) < 0.005) return [];
  return [["but the map", two(shown), mayLook(frame, cell) ? "another formula made this map" : "the mask was not used"]];
}

function* rowScoresOf(frame, { head, row }) {
  for (let column = 0; column < frame.columns; column++) {
    const cell = { head, row, column };
    if (mayLook(frame, cell)) yield frame.scores[at(frame, cell)];
  }
}
const rowScores = (frame, cell) => [...rowScoresOf(frame, cell)];

function dotProduct({ terms }, { row, column }) {
  if (!terms) return "";
  const n = terms.names.length;
  return terms.names
    .map((name, i) => [name, terms.query[row * n + i], terms.key[column * n + i]])
    .filter(([, q, k]) => Math.abs(q * k) >= 0.005)
    .map(([name, q, k]) => `${name} ${q.toFixed(1)}×${k.toFixed(1)}`)
    .join(" + ");
}

// ---------------------------------------------------------------- colour

function readPalette(view) { // 256 × RGB from matplotlib, so that the page and the still picture agree
  const rgb = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const packed = new Uint32Array(256);
  const light = new Uint8Array(256); // 1 where black text reads better than white
  for (let i = 0; i < 256; i++) {
    const [r, g, b] = rgb.subarray(3 * i, 3 * i + 3);
    packed[i] = (255 << 24) | (b << 16) | (g << 8) | r;
    const linear = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
    light[i] = 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b) > 0.18 ? 1 : 0;
  }
  const stops = Array.from({ length: 17 }, (_, i) => rgb.subarray(3 * Math.min(255, i * 16), 3 * Math.min(255, i * 16) + 3));
  return { packed, light, gradient: `linear-gradient(90deg, ${stops.map((c) => `rgb(${c.join(" ")})`)})` };
}

const shade = (x) => (x >= 1 ? 255 : x > 0 ? Math.floor(x * 255.999) : 0);
const NOT_A_NUMBER = 0xff8080c0; // a red that the map does not contain

function rowScale(frame, perRow, head, row) { // what a weight is divided by before it becomes a colour
  if (!perRow) return 1;
  const largest = rowOf(frame, head, row).reduce((m, w) => (w > m ? w : m), 0);
  return largest || 1;
}

// ---------------------------------------------------------------- painting one head

const scratch = document.createElement("canvas");
const hatched = document.createElement("canvas");

// Where cells are smaller than pixels, one pixel shows the largest weight of its block: a thin
// bright line would otherwise vanish between the samples.
function paint(canvas, frame, head, size, palette, perRow, colours) {
  const ratio = (window.devicePixelRatio || 1) * size.zoom; // sharp, also when enlarged
  const width = Math.max(1, Math.round(size.width * ratio));
  const height = Math.max(1, Math.round(size.height * ratio));
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.clearRect(0, 0, width, height);
  const [stepR, stepC] = [Math.ceil(frame.rows / height), Math.ceil(frame.columns / width)];
  const [rows, columns] = [Math.ceil(frame.rows / stepR), Math.ceil(frame.columns / stepC)];
  const image = new ImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  const mask = frame.allowed && new ImageData(columns, rows);
  const masked = mask && new Uint32Array(mask.data.buffer);
  const { weights, allowed } = frame;
  const across = Uint32Array.from({ length: frame.columns }, (_, c) => Math.floor(c / stepC));
  for (let r = 0; r < frame.rows; r++) { // the one loop over all weights: two million of them at 8 × 512 × 512
    const scale = rowScale(frame, perRow, head, r);
    const from = at(frame, { head, row: r, column: 0 });
    const to = Math.floor(r / stepR) * columns;
    for (let c = 0; c < frame.columns; c++) {
      const i = to + across[c];
      if (allowed && !allowed[from + c]) { if (!pixels[i]) masked[i] = 0xff000000; continue; }
      const w = weights[from + c];
      const level = w === w ? shade(w / scale) + 1 : 257; // 257 is NaN; 0 is kept for "nothing yet"
      if (level > pixels[i]) pixels[i] = level;
      if (masked) masked[i] = 0;
    }
  }
  for (let i = 0; i < pixels.length; i++) {
    if (pixels[i]) pixels[i] = pixels[i] === 257 ? NOT_A_NUMBER : palette.packed[pixels[i] - 1];
  }
  const stretched = (target, data) => {
    [scratch.width, scratch.height] = [columns, rows];
    scratch.getContext("2d").putImageData(data, 0, 0);
    target.drawImage(scratch, 0, 0, width, height);
  };
  stretched(context, image);
  if (mask && masked.some((m) => m)) {
    [hatched.width, hatched.height] = [width, height];
    const over = hatched.getContext("2d");
    over.imageSmoothingEnabled = false;
    stretched(over, mask);
    over.globalCompositeOperation = "source-in";
    over.fillStyle = over.createPattern(hatch(colours.dim, ratio), "repeat");
    over.fillRect(0, 0, width, height);
    context.drawImage(hatched, 0, 0);
  }
  if (size.x >= GAP_FROM && size.y >= GAP_FROM) {
    for (let c = 1; c < frame.columns; c++) context.clearRect(Math.round((c * width) / frame.columns) - ratio, 0, ratio, height);
    for (let r = 1; r < frame.rows; r++) context.clearRect(0, Math.round((r * height) / frame.rows) - ratio, width, ratio);
  }
  if (size.x >= ROOM_FOR_NUMBER && size.y >= ROOM_FOR_NUMBER * 0.6) numbers(context, frame, head, width, height, palette, perRow, ratio);
}

function hatch(colour, ratio) {
  const side = Math.round(6 * ratio);
  const tile = document.createElement("canvas");
  [tile.width, tile.height] = [side, side];
  const context = tile.getContext("2d");
  context.strokeStyle = colour;
  context.lineWidth = 1.1 * ratio;
  for (const shift of [-side, 0, side]) {
    context.beginPath();
    context.moveTo(shift, side);
    context.lineTo(shift + side, 0);
    context.stroke();
  }
  return tile;
}

function numbers(context, frame, head, width, height, palette, perRow, ratio) {
  context.font = `${11 * ratio}px ui-monospace, "DejaVu Sans Mono", monospace`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (let row = 0; row < frame.rows; row++) {
    const scale = rowScale(frame, perRow, head, row);
    for (let column = 0; column < frame.columns; column++) {
      const cell = { head, row, column };
      if (!mayLook(frame, cell)) continue;
      const w = frame.weights[at(frame, cell)];
      context.fillStyle = Number.isNaN(w) || palette.light[shade(w / scale)] ? "#000" : "#fff";
      context.fillText(inCell(w), ((column + 0.5) * width) / frame.columns, ((row + 0.5) * height) / frame.rows + ratio / 2);
    }
  }
}

// ---------------------------------------------------------------- the page

function element(tag, className, parent, attributes = {}) {
  const node = document.createElement(tag);
  node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  parent?.append(node);
  return node;
}

const place = (node, left, top, width, height) => Object.assign(node.style, {
  left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px`,
});

function render({ model, el }) {
  const palette = readPalette(model.get("_palette"));
  const root = element("div", "ah", el, { "data-lm-suppress-shortcuts": "true" });
  root.addEventListener("focusin", (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "true")); // or Notebook 7 takes the arrow keys
  const title = element("div", "ah-title", root);
  const message = element("div", "ah-message", root, { role: "status" });
  const words = element("div", "ah-words", root);
  const body = element("div", "ah-body", root);
  const maps = element("div", "ah-maps", body);
  const panel = element("div", "ah-panel", body);
  element("div", "ah-heading", panel).textContent = "This cell";
  const say = element("p", "ah-say", panel, { "aria-live": "polite" });
  const inHeads = element("table", "ah-bars ah-in-heads", panel, { "aria-label": "This cell in every head" });
  const steps = element("table", "ah-steps", panel);
  const rowHeading = element("div", "ah-heading ah-row-heading", panel);
  const bars = element("table", "ah-bars", panel);
  const foot = element("div", "ah-foot", root);
  const caption = element("span", "ah-caption", foot);
  const hint = element("span", "ah-hint", foot);
  hint.textContent = "Point or use arrow keys; click or Enter pins a row, Escape frees it.";
  const legend = element("span", "ah-legend", foot);
  const tools = element("span", "ah-tools", foot);
  const legendLow = element("span", "", legend);
  element("span", "ah-ramp", legend).style.background = palette.gradient;
  const legendHigh = element("span", "", legend);
  const legendMask = element("span", "ah-masked", legend);
  element("span", "ah-hatch", legendMask);
  legendMask.append("may not look");
  const perRow = element("input", "", element("label", "ah-toggle", tools), { type: "checkbox" });
  perRow.after("each row on its own scale");
  const large = element("input", "", element("label", "ah-toggle", tools), { type: "checkbox" });
  large.after("projector");
  for (const kind of ["PNG", "SVG"]) {
    const button = element("button", "ah-button", tools, { type: "button", "aria-label": `Save the picture as ${kind}` });
    button.textContent = kind;
    button.onclick = () => { asked = true; model.send({ save: kind.toLowerCase() }); };
  }

  let asked = false; // for a picture: the answer reaches every view of this map
  let frame = null;
  let cursor = { head: 0, row: 0, column: 0 };
  let heads = []; // one { canvas, grid, ... } a head
  let shape = ""; // what the layout was made for
  let width = 0;
  let colours = null; // what canvas and code need of the stylesheet
  let waiting = 0;
  let late = false;
  let fitting = 0;
  let naming = 0;
  let staleSince = 0; // names that are not written yet
  let undescribe = null;

  // ---- layout: made anew when labels, shape or width change, never on a slider move

  function layout() {
    const many = frame.heads > 1;
    const room = width || 800;
    const zoom = model.get("projector") ? PROJECTOR : 1;
    const largest = LARGEST_CELL[model.get("projector") ? "projector" : "usual"];
    const longest = Math.max(...[...frame.queries].map((q) => q.length), 3);
    const left = many ? Math.min(64, 18 + 7.2 * longest) : Math.max(64, Math.min(110, 18 + 7.2 * longest)); // 64: the caption
    const widest = Math.min(many ? 250 : room >= 720 ? Math.min(560, room * 0.6) : 560, room - 12) - left - 26;
    const tallest = many ? 250 - left : 560;
    let x = Math.min(largest, widest / frame.columns);
    let y = Math.min(largest, tallest / frame.rows);
    if (Math.min(x, y) >= 8) x = y = Math.floor(Math.min(x, y));
    const longestKey = Math.max(...[...frame.keys].map((k) => k.length), 3);
    const slant = Math.min(many ? 42 : 70, 10 + 4.6 * longestKey);
    const top = slant + (many ? 14 : 30); // a single map has a line of captions
    const size = { x, y, left, top, zoom, keyWidth: (slant + 4) / 0.62, width: x * frame.columns, height: y * frame.rows };
    const focused = heads.findIndex((view) => view.grid.contains(document.activeElement));
    maps.replaceChildren();
    heads = Array.from({ length: frame.heads }, (_, head) => makeHead(head, size, many));
    if (heads[focused]) rove(heads[focused], true);
    body.classList.toggle("ah-many", many);
    makeWords();
  }

  function makeHead(head, size, many) {
    const box = element("div", "ah-head", maps);
    const name = frame.names[head];
    if (many) element("div", "ah-head-name", box).textContent = name;
    const field = element("div", `ah-field${Math.min(size.x, size.y) < GAP_FROM ? " ah-fine" : ""}`, box);
    Object.assign(field.style, { width: `${size.left + size.width + 26}px`, height: `${size.top + size.height + (model.get("show_sums") ? 26 : 4)}px` });
    if (!many) {
      element("span", "ah-axis", field).textContent = "keys: looked at →";
      const queries = element("span", "ah-axis", field);
      queries.textContent = "queries ↓";
      queries.style.top = `${size.top - 20}px`;
      field.firstChild.style.left = `${size.left}px`;
    }
    const canvas = element("canvas", "ah-canvas", field, { "aria-hidden": "true" });
    place(canvas, size.left, size.top, size.width, size.height);
    const label = (kind, text, i) => {
      const span = element("span", `ah-label ah-${kind}`, field);
      moveLabel(span, kind, text, i, size);
      return span;
    };
    const thinned = (kind, labels, pitch) => {
      const every = Math.ceil(LABEL_PITCH / pitch);
      return labels.flatMap((text, i) => (i % every ? [] : [{ i, node: label(kind, text, i) }]));
    };
    const queryLabels = thinned("query", frame.queries, size.y);
    const keyLabels = thinned("key", frame.keys, size.x);
    const sums = model.get("show_sums") ? makeSums(field, size) : null;
    const grid = element("div", "ah-grid", field, {
      role: "grid", "aria-multiselectable": "true", "aria-rowcount": frame.rows, "aria-colcount": frame.columns,
      "aria-label": `Attention weights${many ? `, ${name}` : ""}: rows are queries, columns are keys`,
    });
    place(grid, size.left, size.top, size.width, size.height);
    const lit = ["ah-lit ah-lit-row", "ah-lit ah-lit-column", "ah-pin", "ah-pin", "ah-cell"].map((c) => element("div", c, field));
    const view = {
      head, size, canvas, grid, field, sums, lit, queryLabels, keyLabels, cells: new Map(),
      queryLabel: label("query ah-here", "", 0), keyLabel: label("key ah-here", "", 0),
    };
    grid.addEventListener("pointermove", (event) => { if (event.pointerType !== "touch") point(view, event); });
    grid.addEventListener("click", (event) => {
      const before = { ...cursor };
      point(view, event);
      const again = before.head === cursor.head && before.row === cursor.row && before.column === cursor.column;
      if (event.pointerType !== "touch" || again) pin(cursor.row); // a first tap looks, a second one pins
      view.cells.get(`${cursor.row},${cursor.column}`)?.focus({ preventScroll: true });
    });
    grid.addEventListener("keydown", (event) => key(view, event));
    grid.addEventListener("focusin", () => { if (cursor.head !== head) moveTo({ ...cursor, head }); });
    makeCells(view);
    return view;
  }

  function moveLabel(span, kind, text, i, size) {
    span.textContent = text;
    span.title = text;
    if (kind.startsWith("query")) place(span, 0, size.top + (i + 0.5) * size.y - 9, size.left - 6, 18);
    else Object.assign(span.style, { left: `${size.left + (i + 0.5) * size.x}px`, top: `${size.top - 16}px`, maxWidth: `${size.keyWidth}px` });
  }

  function makeWay(labels, i, pitch) { // for the cursor's own label, which is the bold one
    for (const label of labels) label.node.hidden = Math.abs(label.i - i) * pitch < LABEL_PITCH;
  }

  function makeSums(field, size) {
    const rows = frame.queries.map((_, i) => {
      const node = element("span", "ah-sum", field);
      Object.assign(node.style, { left: `${size.left + size.width + 4}px`, top: `${size.top + (i + 0.5) * size.y - 9}px` });
      return node;
    });
    const columns = frame.keys.map((_, i) => {
      const node = element("span", `ah-sum ah-sum-column${size.x < SUM_WIDTH ? " ah-upright" : ""}`, field);
      Object.assign(node.style, { left: `${size.left + (i + 0.5) * size.x}px`, top: `${size.top + size.height + 4}px` });
      return node;
    });
    return { rows, columns };
  }

  // ---- cells with names for assistive tools; a large map has only the one under the cursor

  function makeCells(view) {
    view.all = frame.rows * frame.columns * frame.heads <= CELLS_WITH_NAMES;
    for (const row of view.all ? frame.queries.keys() : [cursor.row]) {
      const line = element("div", "ah-line", view.grid, { role: "row" });
      for (const column of view.all ? frame.keys.keys() : [cursor.column]) {
        putCell(view, row, column, element("div", "ah-target", line, { role: "gridcell", tabindex: "-1" }));
      }
    }
    rove(view);
  }

  function putCell(view, row, column, cell) {
    cell.parentElement.setAttribute("aria-rowindex", row + 1);
    cell.setAttribute("aria-colindex", column + 1);
    place(cell, column * view.size.x, row * view.size.y, view.size.x, view.size.y);
    view.cells.set(`${row},${column}`, cell);
    nameCell(view, row, column, cell);
  }

  function moveOnlyCell(view) { // the very same one: a new one would not have the focus
    const [cell] = view.cells.values();
    view.cells.clear();
    putCell(view, cursor.row, cursor.column, cell);
  }

  function nameCell(view, row, column, cell) {
    cell.setAttribute("aria-label", inWords(frame, { head: view.head, row, column }).join(""));
    cell.setAttribute("aria-selected", String(model.get("pinned").includes(row)));
  }

  function rove(view, focus) {
    view.grid.querySelector('[tabindex="0"]')?.setAttribute("tabindex", "-1");
    const here = view.cells.get(`${cursor.row},${cursor.column}`);
    here?.setAttribute("tabindex", "0");
    if (focus) here?.focus({ preventScroll: true });
  }

  function nameAllSoon() { // off the path of a slider move; but once a second while frames keep coming
    if (naming) clearTimeout(naming); else staleSince = performance.now();
    naming = setTimeout(() => {
      naming = 0;
      if (!frame) return; // a message may have taken the map's place meanwhile
      for (const view of heads) {
        for (const [where, cell] of view.cells) nameCell(view, ...where.split(",").map(Number), cell);
      }
    }, Math.max(0, Math.min(150, staleSince + 1000 - performance.now())));
  }

  // ---- pointing, keys, pins

  function point(view, event) {
    const box = view.grid.getBoundingClientRect(); // scaled, when the page is zoomed by CSS
    const index = (offset, length, n) => Math.min(n - 1, Math.max(0, Math.floor((offset / length) * n)));
    moveTo({
      head: view.head,
      row: index(event.clientY - box.top, box.height, frame.rows),
      column: index(event.clientX - box.left, box.width, frame.columns),
    });
  }

  function moveTo(cell, focus = false) {
    cursor = cell;
    for (const view of heads) {
      if (!view.all) moveOnlyCell(view);
      else nameCell(view, cell.row, cell.column, view.cells.get(`${cell.row},${cell.column}`)); // frames may have come since
      rove(view, focus && view.head === cell.head);
    }
    showCursor();
  }

  function key(view, event) {
    const { row, column } = cursor;
    const to = {
      ArrowUp: [row - 1, column], ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1],
      PageUp: [row - 10, column], PageDown: [row + 10, column],
      Home: [event.ctrlKey ? 0 : row, 0], End: [event.ctrlKey ? frame.rows - 1 : row, frame.columns - 1],
    }[event.key];
    const within = (i, n) => Math.min(n - 1, Math.max(0, i));
    if (to) moveTo({ head: view.head, row: within(to[0], frame.rows), column: within(to[1], frame.columns) }, true);
    else if (event.key === "Enter" || event.key === " ") pin(row);
    else if (event.key === "Escape") setPinned([]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  function pin(row) { // at most two, so that they can be compared; pinning one again frees it
    const pinned = model.get("pinned").filter((r) => r < frame.rows); // those that are seen
    setPinned(pinned.includes(row) ? pinned.filter((r) => r !== row) : [...pinned.slice(-1), row]);
  }

  function setPinned(rows) {
    model.set("pinned", rows);
    model.save_changes();
  }

  // ---- what follows the cursor

  function showCursor() {
    if (!frame) return;
    const pinned = model.get("pinned").filter((r) => r < frame.rows);
    for (const { size, lit, queryLabel, keyLabel, queryLabels, keyLabels } of heads) {
      const [row, column, pinA, pinB, cell] = lit;
      place(row, size.left, size.top + cursor.row * size.y, size.width, size.y);
      place(column, size.left + cursor.column * size.x, size.top, size.x, size.height);
      place(cell, size.left + cursor.column * size.x, size.top + cursor.row * size.y, size.x, size.y);
      [pinA, pinB].forEach((node, i) => {
        node.hidden = i >= pinned.length;
        if (!node.hidden) place(node, size.left, size.top + pinned[i] * size.y, size.width, size.y);
      });
      moveLabel(queryLabel, "query", frame.queries[cursor.row], cursor.row, size);
      moveLabel(keyLabel, "key", frame.keys[cursor.column], cursor.column, size);
      makeWay(queryLabels, cursor.row, size.y);
      makeWay(keyLabels, cursor.column, size.x);
    }
    const parts = inWords(frame, cursor).map((text, i) => (i % 2 ? text : strong(text)));
    if (frame.heads > 1) parts.unshift(`${frame.names[cursor.head]}: `);
    const sentence = parts.map((part) => part.textContent ?? part).join("");
    if (say.textContent !== sentence) say.replaceChildren(...parts); // the same words are not read out again
    inHeads.replaceChildren(...(frame.heads > 1 ? frame.names.map(inHead) : []));
    const lines = arithmetic(frame, cursor) ?? [];
    steps.replaceChildren(...lines.map((cells) => tableRow(cells)));
    showRow(pinned.length ? pinned : [cursor.row]);
    tintWords(pinned.length ? pinned.at(-1) : cursor.row);
  }

  function strong(text) {
    const node = document.createElement("em");
    node.textContent = text;
    return node;
  }

  function inHead(name, head) { // the cell under the cursor, as another head weighs it
    const cell = { ...cursor, head };
    const here = head === cursor.head ? strong(name) : name;
    const w = frame.weights[at(frame, cell)];
    const line = tableRow(mayLook(frame, cell) ? [here, two(w), bar(w, 0, 1)] : [here, "may not look"]);
    line.firstChild.style.maxWidth = "none"; // a head's name is read in full
    return line;
  }

  function tableRow(cells) {
    const line = document.createElement("tr");
    for (const content of cells) {
      const cell = document.createElement("td");
      cell.append(content);
      line.append(cell);
    }
    return line;
  }

  function showRow(rows) {
    const shares = rows.map((row) => rowOf(frame, cursor.head, row));
    const sums = shares.map((share) => share.reduce((sum, w) => sum + w, 0));
    rowHeading.replaceChildren(...rows.flatMap((row, i) => [
      i ? " · " : "", strong(quoted(frame.queries[row])),
      sums[i] === 0 ? " may look nowhere: it shares out 0" : ` shares out ${two(sums[i])}`,
    ]));
    const largest = (column) => Math.max(...shares.map((share) => share[column]));
    const columns = [...frame.keys.keys()].sort((a, b) => largest(b) - largest(a)).slice(0, 6);
    bars.replaceChildren(...columns.map((column) => tableRow([
      frame.keys[column], ...shares.flatMap((share, i) => [two(share[column]), bar(share[column], i, rows.length)]),
    ])));
  }

  function bar(w, i, of) {
    const node = element("span", `ah-bar ah-bar-${i}`);
    node.style.width = `${Math.min(1.5, Math.max(0, w || 0)) * (of > 1 ? 70 : 150)}px`;
    return node;
  }

  function makeWords() { // the sentence itself, tinted by where the current query looks
    words.hidden = frame.columns > 48 || frame.columns < 2;
    words.replaceChildren();
    if (words.hidden) return;
    const own = frame.queries.join("\n") === frame.keys.join("\n");
    for (const [i, text] of frame.keys.entries()) {
      const word = element("span", `ah-word${own ? " ah-own" : ""}`, words);
      word.textContent = text;
      if (own) word.onclick = () => { moveTo({ ...cursor, row: i }); pin(i); };
    }
  }

  function tintWords(row) {
    if (words.hidden) return;
    [...words.children].forEach((word, i) => {
      const w = Math.min(1, rowOf(frame, cursor.head, row)[i] || 0);
      word.style.setProperty("--ah-weight", `${Math.round(w * 100)}%`);
      word.classList.toggle("ah-strong", w > colours.flip);
      word.classList.toggle("ah-asking", word.classList.contains("ah-own") && i === row);
    });
  }

  // ---- frames

  function draw() {
    show();
    root.dataset.frames = String(Number(root.dataset.frames ?? 0) + 1); // what benchmarks and tests wait for
  }

  function show() {
    const next = readFrame(model.get("_frame"));
    const empty = !next || next.rows === 0 || next.columns === 0;
    title.textContent = model.get("title");
    const remark = model.get("_gone") ? RUN_AGAIN : model.get("message");
    if (message.textContent !== remark) message.textContent = remark; // read out once
    for (const button of tools.querySelectorAll("button")) button.disabled = Boolean(model.get("_gone"));
    body.hidden = foot.hidden = empty;
    if (empty) { words.hidden = true; frame = null; shape = ""; return; }
    const first = frame === null;
    frame = next;
    const pinned = model.get("pinned").filter((r) => r < frame.rows);
    if (first) cursor = pinned.length ? { head: 0, row: pinned.at(-1), column: 0 } : largestCell(frame);
    if (first && pinned.length) cursor.column = rowOf(frame, 0, cursor.row).reduce((best, w, i, all) => (w > all[best] ? i : best), 0);
    cursor = { head: Math.min(cursor.head, frame.heads - 1), row: Math.min(cursor.row, frame.rows - 1), column: Math.min(cursor.column, frame.columns - 1) };
    large.checked = model.get("projector");
    root.classList.toggle("ah-projector", large.checked);
    const made = JSON.stringify([frame.heads, frame.queries, frame.keys, frame.names, width, model.get("show_sums"), large.checked]);
    colours ??= readColours();
    if (made !== shape) { shape = made; layout(); }
    for (const view of heads) {
      paint(view.canvas, frame, view.head, view.size, palette, model.get("per_row"), colours);
      view.canvas.classList.toggle("ah-faded", model.get("faded").includes(view.head));
      if (view.sums) showSums(view);
    }
    perRow.checked = model.get("per_row");
    [legendLow.textContent, legendHigh.textContent] = perRow.checked ? ["0", "row’s largest"] : ["0", "1"];
    caption.textContent = `Each row is one query; ${sumsInWords(frame)}.`;
    legendMask.hidden = !frame.allowed || !frame.allowed.includes(0);
    showCursor();
    nameAllSoon();
  }

  function showSums({ head, sums }) {
    const total = (list) => two(list.reduce((sum, w) => sum + w, 0));
    sums.rows.forEach((node, row) => { node.textContent = total(rowOf(frame, head, row)); });
    sums.columns.forEach((node, column) => {
      node.textContent = total(frame.queries.map((_, row) => frame.weights[at(frame, { head, row, column })]));
    });
  }

  function readColours() {
    const style = getComputedStyle(root);
    return { dim: style.getPropertyValue("--ah-dim"), flip: Number(style.getPropertyValue("--ah-flip")) };
  }

  // Once a frame at most. The first change is drawn at once, so that the next frame need not wait for the
  // drawing; those that follow before that frame are drawn in it, together.
  function changed() {
    if (waiting) { late = true; return; }
    waiting = requestAnimationFrame(() => {
      waiting = 0;
      if (late) { late = false; changed(); }
    });
    queueMicrotask(draw); // when all that one message changes has been set
  }

  function fit() { // into the room that the page gives
    undescribe ??= describeControls(root);
    width = root.clientWidth;
    colours = null; // outside of a page there are none
    draw();
  }

  function fitSoon() { // in a frame of its own: the observer must not see what it causes
    cancelAnimationFrame(fitting);
    fitting = requestAnimationFrame(fit);
  }

  perRow.onchange = () => { model.set("per_row", perRow.checked); model.save_changes(); };
  large.onchange = () => { model.set("projector", large.checked); model.save_changes(); };
  const changes = ["_frame", "title", "message", "per_row", "show_sums", "faded", "projector", "_gone"].map((name) => `change:${name}`).join(" ");
  const pins = () => { showCursor(); nameAllSoon(); };
  const saved = (content, buffers) => {
    if (content.save && asked) download(content, buffers[0]);
    asked = false;
  };
  model.on(changes, changed);
  model.on("change:pinned", pins);
  model.on("msg:custom", saved);
  const resized = new ResizeObserver(() => { if (root.clientWidth && root.clientWidth !== width) fitSoon(); });
  resized.observe(root);
  const themed = new MutationObserver(() => { colours = null; changed(); }); // JupyterLab names its theme on the body
  themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name"] });
  fitSoon();
  return () => {
    cancelAnimationFrame(waiting);
    cancelAnimationFrame(fitting);
    clearTimeout(naming);
    undescribe?.();
    resized.disconnect();
    themed.disconnect();
    model.off(changes, changed);
    model.off("change:pinned", pins);
    model.off("msg:custom", saved);
  };
}

function download({ save, type }, bytes) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([bytes], { type }));
  link.download = `attention.${save}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export default { initialize: (context) => noteKernel(context), render };
