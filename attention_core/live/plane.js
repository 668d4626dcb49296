// A plane with named points. Python owns the fixed ones; the reader drags the movable ones, or moves
// them with the arrow keys. Nothing is computed here but where things are drawn.

const SIDE = 300; // px, of the drawing's own coordinates
const STEP = 0.1; // of an arrow key, in the plane's units
const SVG = "http://www.w3.org/2000/svg";

function shape(tag, parent, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  parent.append(node);
  return node;
}

function render({ model, el }) {
  const root = document.createElement("div");
  root.className = "plane";
  root.dataset.lmSuppressShortcuts = "true";
  const title = document.createElement("div");
  title.className = "plane-title";
  const said = document.createElement("div");
  said.className = "plane-said";
  said.setAttribute("role", "status");
  root.append(title, said);
  el.append(root);
  const svg = shape("svg", root, { viewBox: `0 0 ${SIDE} ${SIDE}`, class: "plane-field", role: "group" });
  const reach = () => model.get("reach");
  const across = (x) => (x / reach() + 1) * (SIDE / 2);
  const down = (y) => (1 - y / reach()) * (SIDE / 2);

  shape("line", svg, { class: "plane-axis", x1: 0, x2: SIDE, y1: SIDE / 2, y2: SIDE / 2 });
  shape("line", svg, { class: "plane-axis", y1: 0, y2: SIDE, x1: SIDE / 2, x2: SIDE / 2 });
  const outline = shape("polygon", svg, { class: "plane-hull" });
  const marks = new Map();
  for (const [names, movable] of [[model.get("_fixed"), false], [model.get("_movable"), true]]) {
    for (const name of Object.keys(names)) marks.set(name, makeMark(name, movable));
  }

  function makeMark(name, movable) {
    const group = shape("g", svg, { class: movable ? "plane-point plane-movable" : "plane-point" });
    const arrow = model.get("_arrows").includes(name) ? shape("line", group, { class: "plane-arrow", x1: across(0), y1: down(0) }) : null;
    const dot = shape("circle", group, {});
    const label = shape("text", group, {});
    label.textContent = name;
    if (movable) {
      group.setAttribute("tabindex", "0");
      group.setAttribute("data-lm-suppress-shortcuts", "true"); // or Notebook 7 takes the arrow keys
      group.setAttribute("role", "slider");
      group.setAttribute("aria-label", `${name}: arrow keys move it`);
      group.setAttribute("aria-valuemin", -reach());
      group.setAttribute("aria-valuemax", reach());
      group.addEventListener("pointerdown", (event) => { group.setPointerCapture(event.pointerId); group.focus(); event.preventDefault(); });
      group.addEventListener("pointermove", (event) => { if (group.hasPointerCapture(event.pointerId)) drag(name, event); });
      group.addEventListener("keydown", (event) => step(name, event));
    }
    return { group, arrow, dot, label };
  }

  function put(name, x, y) {
    if (model.get("_gone")) return; // nothing would come of it
    const within = (v) => Math.round(Math.min(reach(), Math.max(-reach(), v)) * 100) / 100;
    model.set("_movable", { ...model.get("_movable"), [name]: [within(x), within(y)] });
    model.save_changes();
  }

  function drag(name, event) {
    const box = svg.getBoundingClientRect();
    put(name, ((event.clientX - box.left) / box.width * 2 - 1) * reach(), (1 - (event.clientY - box.top) / box.height * 2) * reach());
  }

  function step(name, event) {
    const [dx, dy] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [];
    if (dx === undefined) return;
    const [x, y] = model.get("_movable")[name];
    put(name, x + dx * STEP, y + dy * STEP);
    event.preventDefault();
    event.stopPropagation();
  }

  let waiting = 0;
  function draw() {
    waiting = 0;
    title.textContent = model.get("title");
    said.textContent = model.get("_gone") ? RUN_AGAIN : "";
    svg.setAttribute("aria-label", model.get("title") || "a plane with points");
    outline.setAttribute("points", model.get("_outline").map(([x, y]) => `${across(x)},${down(y)}`).join(" "));
    const sizes = model.get("_sizes");
    const taken = []; // where names stand already
    for (const [name, [x, y]] of Object.entries({ ...model.get("_movable"), ...model.get("_fixed") })) {
      const { group, arrow, dot, label } = marks.get(name);
      group.style.display = sizes[name] === null ? "none" : "";
      if (sizes[name] === null) continue;
      const [cx, cy] = [across(x), down(y)];
      const r = 5 + 11 * Math.sqrt(Math.min(1, Math.max(0, sizes[name] ?? 0.02)));
      for (const [k, v] of [["cx", cx], ["cy", cy], ["r", r]]) dot.setAttribute(k, v);
      arrow?.setAttribute("x2", cx);
      arrow?.setAttribute("y2", cy);
      const left = cx > SIDE * 0.72; // near the right edge the name stands on the other side
      label.setAttribute("text-anchor", left ? "end" : "start");
      label.setAttribute("x", cx + (left ? -r - 4 : r + 4));
      const clash = taken.some(([x, y]) => Math.abs(x - cx) < 60 && Math.abs(y - cy) < 14);
      label.setAttribute("y", clash ? Math.min(SIDE - 4, cy + r + 12) : Math.max(14, cy - 5));
      taken.push([cx, cy]);
      if (!group.hasAttribute("role")) continue; // only one that can be moved has a value
      group.setAttribute("aria-valuetext", `at ${x.toFixed(2)}, ${y.toFixed(2)}`);
      group.setAttribute("aria-valuenow", x.toFixed(2));
    }
    root.dataset.frames = String(Number(root.dataset.frames ?? 0) + 1);
  }

  const soon = () => { waiting ||= requestAnimationFrame(draw); };
  const changes = "change:_movable change:_fixed change:_sizes change:_outline change:title change:reach change:_gone";
  model.on(changes, soon);
  soon();
  return () => { cancelAnimationFrame(waiting); model.off(changes, soon); };
}

export default { initialize: (context) => noteKernel(context), render };
