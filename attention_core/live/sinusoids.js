// The table of sinusoids as a map with two positions to slide, a clock for each pair of its rows, and a
// curve over distances. Python computes all of it; here it is drawn, and what is moved is sent back.

const SVG = "http://www.w3.org/2000/svg";
const LEFT = 46; // px, for the numbers of the dimensions
const TOP = 26; // for the flag of the position
const HEIGHT = 352; // of the map
const WIDEST = 620;
const DIAL = 42; // a clock's diameter; its column is shared with others where rows are thin
const CURVE = 120; // the curve's height
const floats = (view) => new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
const within = (x, most) => Math.min(most, Math.max(0, x));

function shape(tag, parent, attributes = {}, text = null) {
  const node = document.createElementNS(SVG, tag);
  set(node, attributes);
  if (text !== null) node.textContent = text;
  parent.append(node);
  return node;
}

function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
}

function element(tag, className, parent) {
  const node = document.createElement(tag);
  node.className = className;
  parent.append(node);
  return node;
}

// One pixel a cell; the page stretches it. Rows are dimensions, columns are positions.
function paint({ table, n, dim }, palette) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [n, dim];
  const image = new ImageData(n, dim);
  for (let i = 0; i < table.length; i++) {
    const level = 3 * Math.round(within((table[i] + 1) / 2, 1) * 255);
    image.data.set([palette[level], palette[level + 1], palette[level + 2], 255], 4 * ((i % dim) * n + Math.floor(i / dim)));
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas.toDataURL();
}

function render({ model, el }) {
  const palette = new Uint8Array(model.get("_palette").buffer.slice(model.get("_palette").byteOffset));
  const root = element("div", "sm", el);
  root.addEventListener("focusin", (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "true")); // or Notebook 7 takes the arrow keys
  root.dataset.lmSuppressShortcuts = "true";
  const above = shape("svg", root, { role: "group", "aria-label": "Sinusoids: a map of positions and dimensions, and clocks" });
  const body = element("div", "sm-body", root);
  const below = shape("svg", body, { role: "img" });
  const said = element("div", "sm-said", body);
  said.setAttribute("aria-live", "polite");
  const caption = element("div", "sm-caption", root);
  caption.append("Drag over the map, or use the arrow keys on a flag: the upper one slides both positions, the lower one changes their distance. Point at a clock to pick it.");
  const legend = element("span", "sm-legend", caption);
  const ramp = Array.from({ length: 9 }, (_, i) => `rgb(${palette.slice(3 * Math.min(255, 32 * i), 3 * Math.min(255, 32 * i) + 3).join(" ")})`);
  legend.append("−1");
  element("span", "sm-ramp", legend).style.background = `linear-gradient(90deg, ${ramp.join(", ")})`;
  legend.append("1");

  let frame = null;
  let at = null; // the drawing's measures
  let parts = null; // the nodes that move
  let made = "";
  let waiting = 0;
  let undescribe = null;

  function put(changes) {
    if (model.get("_gone")) return; // nothing would come of it
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
  }
  const slide = (p) => put({ position: within(p, frame.n - 1 - model.get("distance")) });
  const stretch = (p) => put({ distance: within(p - model.get("position"), frame.n - 1 - model.get("position")) });
  const pick = (pair) => put({ pair: within(pair, frame.dim / 2 - 1) });

  // ---- layout: made anew when the number of dimensions or the page's width changes

  function layout() {
    const had = root.contains(document.activeElement) ? document.activeElement.getAttribute("data-part") : null;
    const pairs = frame.dim / 2;
    const row = HEIGHT / pairs;
    const abreast = Math.min(6, pairs, Math.ceil((DIAL + 4) / row));
    const dial = Math.min(abreast === 1 ? 58 : DIAL, abreast * row - 4);
    const clocks = abreast * (dial + 6);
    const width = Math.min(WIDEST, Math.max(240, (root.clientWidth || 860) - LEFT - clocks - 26));
    at = { row, dial, width, pitch: width / frame.n, abreast };
    const whole = [LEFT + width + 18 + clocks, TOP + HEIGHT + 40];
    set(above, { viewBox: `0 0 ${whole.join(" ")}`, width: whole[0] });
    above.replaceChildren();
    parts = { image: shape("image", above, { x: LEFT, y: TOP, width, height: HEIGHT, preserveAspectRatio: "none", class: "sm-map" }) };
    const every = Math.ceil(15 / row);
    for (let i = 0; i < pairs; i += every) {
      shape("text", above, { x: LEFT - 6, y: TOP + (i + 0.5) * row + 4, "text-anchor": "end" }, every === 1 ? `${2 * i}, ${2 * i + 1}` : 2 * i);
    }
    shape("text", above, { x: 0, y: 12 }, "dimension ↓");
    const step = Math.ceil(frame.n / 8);
    for (let p = 0; p < frame.n; p += step) shape("text", above, { x: LEFT + (p + 0.5) * at.pitch, y: TOP + HEIGHT + 14, "text-anchor": "middle" }, p);
    shape("text", above, { x: LEFT + width, y: TOP + HEIGHT + 34, "text-anchor": "end" }, "position →");
    parts.rows = ["sm-halo", "sm-rows"].map((name) => shape("rect", above, { class: name, x: LEFT, width, height: 2 * (row / 2) }));
    parts.leader = shape("line", above, { class: "sm-leader" });
    parts.columns = ["sm-halo", "sm-column sm-there", "sm-halo", "sm-column sm-here"].map((name) =>
      shape("rect", above, { class: name, y: TOP, width: at.pitch, height: HEIGHT }));
    parts.flags = [flag("position", "Position", TOP - 21, slide), flag("other", "Other position", TOP + HEIGHT + 3, stretch)];
    shape("text", above, { x: LEFT + width + 18, y: TOP + HEIGHT + 34 }, "clocks: sin →, cos ↑");
    const list = shape("g", above, { role: "listbox", "aria-label": "Clocks, one for each pair of dimensions" });
    parts.clocks = Array.from({ length: pairs }, (_, i) => clock(list, i));
    layoutCurve();
    above.querySelector(`[data-part="${had}"]`)?.focus({ preventScroll: true });
  }

  function flag(part, label, y, move) {
    const group = shape("g", above, {
      class: `sm-flag sm-${part === "position" ? "here" : "there"}`, role: "slider", tabindex: "0",
      "data-part": part, "aria-label": label, "aria-valuemin": 0, "aria-valuemax": frame.n - 1,
    });
    shape("rect", group, { class: "sm-tab", x: -15, y, width: 30, height: 18, rx: 5 });
    shape("text", group, { y: y + 13, "text-anchor": "middle" });
    group.addEventListener("pointerdown", (event) => { group.setPointerCapture(event.pointerId); group.focus(); event.preventDefault(); });
    group.addEventListener("pointermove", (event) => { if (group.hasPointerCapture(event.pointerId)) move(columnOf(event)); });
    group.addEventListener("keydown", (event) => {
      const now = model.get("position") + (part === "position" ? 0 : model.get("distance"));
      const to = {
        ArrowLeft: now - 1, ArrowDown: now - 1, ArrowRight: now + 1, ArrowUp: now + 1,
        PageDown: now - 10, PageUp: now + 10, Home: 0, End: frame.n - 1,
      }[event.key];
      if (to !== undefined) { move(to); stop(event); }
    });
    return group;
  }

  function clock(list, i) {
    const x = LEFT + at.width + 18 + (i % at.abreast) * (at.dial + 6) + at.dial / 2;
    const y = TOP + (i + 0.5) * at.row;
    const group = shape("g", list, { class: "sm-clock", role: "option", "data-part": `clock ${i}`, transform: `translate(${x} ${y})` });
    shape("circle", group, { class: "sm-dial", r: at.dial / 2 });
    shape("line", group, { class: "sm-noon", y1: -at.dial / 2, y2: -at.dial / 2 + 4 });
    const wedge = shape("path", group, { class: "sm-wedge" });
    const [there, here] = ["sm-hand sm-there", "sm-hand sm-here"].map((name) => shape("line", group, { class: name }));
    group.addEventListener("pointerenter", (event) => { if (event.pointerType !== "touch") pick(i); });
    group.addEventListener("click", () => { pick(i); group.focus(); });
    group.addEventListener("keydown", (event) => {
      const to = { ArrowUp: i - 1, ArrowLeft: i - 1, ArrowDown: i + 1, ArrowRight: i + 1, Home: 0, End: parts.clocks.length - 1 }[event.key];
      if (to === undefined) return;
      pick(to);
      parts.clocks[within(to, parts.clocks.length - 1)].group.focus({ preventScroll: true });
      stop(event);
    });
    return { group, wedge, there, here, x, y };
  }

  function stop(event) {
    event.preventDefault();
    event.stopPropagation();
  }

  function columnOf(event) {
    const box = parts.image.getBoundingClientRect();
    return Math.floor(((event.clientX - box.left) / box.width) * frame.n);
  }

  above.addEventListener("pointerdown", (event) => {
    if (event.target !== parts?.image) return;
    above.setPointerCapture(event.pointerId);
    const box = parts.image.getBoundingClientRect();
    pick(Math.floor(((event.clientY - box.top) / box.height) * (frame.dim / 2)));
    slide(columnOf(event));
    parts.flags[0].focus({ preventScroll: true });
    event.preventDefault();
  });
  above.addEventListener("pointermove", (event) => { if (above.hasPointerCapture(event.pointerId)) slide(columnOf(event)); });

  // ---- the curve: its line moves with the position, its band is all positions together

  const across = (k) => LEFT + ((k + frame.n - 0.5) / (2 * frame.n - 1)) * at.width;
  const up = (s) => 24 + ((1 - s) / 2) * CURVE;

  function layoutCurve() {
    set(below, { viewBox: `0 0 ${LEFT + at.width} ${CURVE + 62}`, width: LEFT + at.width });
    below.replaceChildren();
    parts.name = shape("text", below, { class: "sm-strong", x: LEFT, y: 12 });
    for (const s of [1, 0, -1]) {
      shape("line", below, { class: "sm-grid-line", x1: LEFT, x2: LEFT + at.width, y1: up(s), y2: up(s) });
      shape("text", below, { x: LEFT - 6, y: up(s) + 4, "text-anchor": "end" }, String(s).replace("-", "−"));
    }
    const step = Math.ceil(frame.n / 4);
    for (let k = -3 * step; k < frame.n; k += step) {
      if (k > -frame.n) shape("text", below, { x: across(k), y: CURVE + 40, "text-anchor": "middle" }, String(k).replace("-", "−"));
    }
    shape("text", below, { x: LEFT + at.width, y: CURVE + 58, "text-anchor": "end" }, "distance →");
    shape("text", below, { x: LEFT, y: CURVE + 58 }, "bold: from this position; grey: from all of them");
    parts.band = shape("path", below, { class: "sm-band" });
    parts.guide = shape("line", below, { class: "sm-grid-line sm-guide", y1: up(1), y2: up(-1) });
    parts.line = shape("path", below, { class: "sm-curve" });
    parts.dot = shape("circle", below, { class: "sm-dot", r: 5 });
  }

  function drawCurve() {
    const { n, line, low, high, name } = frame;
    const points = (values) => [...values].map((s, i) => [across(i + 1 - n), up(s)]).filter(([, y]) => Number.isFinite(y));
    const path = (list) => list.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");
    set(parts.band, { d: `M${path([...points(low), ...points(high).reverse()])}Z` });
    set(parts.line, { d: `M${path(points(line))}` });
    const k = model.get("distance");
    set(parts.guide, { x1: across(k), x2: across(k) });
    set(parts.dot, { cx: across(k), cy: up(Number.isFinite(line[n - 1 + k]) ? line[n - 1 + k] : 0) });
    parts.name.textContent = `Similarity by distance: ${name}`;
    below.setAttribute("aria-label", `${parts.name.textContent}. ${model.get("said").at(-1) ?? ""}`);
  }

  // ---- what moves with the positions

  function drawPositions() {
    const here = within(model.get("position"), frame.n - 1);
    const there = within(here + model.get("distance"), frame.n - 1);
    const pair = within(model.get("pair"), frame.dim / 2 - 1);
    parts.columns.forEach((node, i) => set(node, { x: LEFT + (i < 2 ? there : here) * at.pitch }));
    [here, there].forEach((p, i) => {
      set(parts.flags[i], { transform: `translate(${LEFT + (p + 0.5) * at.pitch} 0)`, "aria-valuenow": p, "aria-valuetext": `position ${p}` });
      parts.flags[i].lastChild.textContent = p;
    });
    for (const node of parts.rows) set(node, { y: TOP + pair * at.row, height: at.row });
    const chosen = parts.clocks[pair];
    set(parts.leader, { x1: LEFT + at.width, x2: chosen.x - at.dial / 2, y1: chosen.y, y2: chosen.y });
    const tip = (p, i) => [frame.table[p * frame.dim + 2 * i], frame.table[p * frame.dim + 2 * i + 1]]; // sin, cos
    const r = at.dial / 2 - 3;
    parts.clocks.forEach(({ group, wedge, there: far, here: near }, i) => {
      const [a, b] = [tip(here, i), tip(there, i)];
      set(near, { x2: r * a[0], y2: -r * a[1] }); // up is a cosine of 1, right is a sine of 1
      set(far, { x2: r * b[0], y2: -r * b[1] });
      const turn = (Math.atan2(b[0], b[1]) - Math.atan2(a[0], a[1]) + 2 * Math.PI) % (2 * Math.PI);
      const w = r * 0.62;
      set(wedge, { d: `M0 0L${w * a[0]} ${-w * a[1]}A${w} ${w} 0 ${turn > Math.PI ? 1 : 0} 1 ${w * b[0]} ${-w * b[1]}Z` });
      set(group, {
        "aria-selected": i === pair, tabindex: i === pair ? 0 : -1,
        "aria-label": `Dimensions ${2 * i} and ${2 * i + 1}: sine ${a[0].toFixed(2)}, cosine ${a[1].toFixed(2)} at position ${here}`,
      });
    });
  }

  function draw() {
    waiting = 0;
    const raw = model.get("_frame");
    if (!raw.shape) return;
    if (root.isConnected) undescribe ??= describeControls(root);
    const [n, dim] = raw.shape;
    if (frame?.raw !== raw) {
      frame = { raw, n, dim, name: raw.name, table: floats(raw.table), line: floats(raw.line), low: floats(raw.low), high: floats(raw.high) };
    }
    const now = `${n} ${dim} ${root.clientWidth}`;
    if (now !== made) { made = now; layout(); }
    if (parts.painted !== raw) {
      parts.painted = raw;
      parts.image.setAttribute("href", paint(frame, palette));
    }
    drawPositions();
    drawCurve();
    const words = model.get("_gone") ? [RUN_AGAIN] : model.get("said");
    said.replaceChildren(...words.map((text) => Object.assign(document.createElement("p"), { textContent: text })));
    root.dataset.frames = String(Number(root.dataset.frames ?? 0) + 1); // what tests wait for
  }

  const soon = () => { waiting ||= requestAnimationFrame(draw); };
  const changes = ["_frame", "position", "distance", "pair", "said", "_gone"].map((name) => `change:${name}`).join(" ");
  model.on(changes, soon);
  const resized = new ResizeObserver(soon);
  resized.observe(root);
  soon();
  return () => {
    cancelAnimationFrame(waiting);
    undescribe?.();
    resized.disconnect();
    model.off(changes, soon);
  };
}

export default { initialize: (context) => noteKernel(context), render };
