// Elements, of HTML and of SVG. What a learner or a model says becomes text nodes, never HTML.

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {Record<string, string | number | boolean>} Attributes */

/** @param {Element} node @param {Attributes} attributes */
export function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    // only what differs: an observer of attributes would go on for ever
    if (node.getAttribute(name) !== String(value)) node.setAttribute(name, String(value));
  }
}

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag @param {string} [className] @param {Element | null} [parent] @param {Attributes} [attributes]
 */
export function element(tag, className = "", parent = null, attributes = {}) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  set(node, attributes);
  parent?.append(node);
  return node;
}

/**
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag @param {Element} parent @param {Attributes} [attributes] @param {string | number | null} [text]
 */
export function shape(tag, parent, attributes = {}, text = null) {
  const node = document.createElementNS(SVG, tag);
  set(node, attributes);
  if (text !== null) node.textContent = String(text);
  parent.append(node);
  return node;
}

/**
 * An element that is nothing but its text, which runs its own way within a sentence that runs another.
 * @param {"em" | "strong" | "p"} tag @param {string} text
 */
export function worded(tag, text) {
  const node = document.createElement(tag);
  node.dir = "auto";
  node.textContent = text;
  return node;
}

/**
 * The first cell is its name, which may run from right to left, and is told in full where the pointer rests.
 * @param {(string | Node)[]} cells
 */
export function tableRow(cells) {
  const line = document.createElement("tr");
  cells.forEach((content, i) => element("td", "", line, i ? {} : { dir: "auto" }).append(content));
  const name = /** @type {HTMLElement} */ (line.firstElementChild);
  name.title = name.textContent ?? "";
  return line;
}

/** @param {HTMLElement | SVGElement} node @param {Record<"left" | "top" | "width" | "height", number>} box in px */
export function place(node, box) {
  for (const [side, length] of Object.entries(box)) node.style.setProperty(side, `${length}px`);
}

/**
 * A view that has nothing to show for a while keeps the room that it took, so that the page below does not jump.
 * To be called before its content goes.
 * @param {HTMLElement} root @param {boolean} nothing
 */
export function keepRoom(root, nothing) {
  const { style } = root;
  if (nothing && !style.minHeight) style.minHeight = getComputedStyle(root).height;
  else if (!nothing && style.minHeight) style.minHeight = "";
}

/**
 * Counts what has been drawn: benchmarks and tests wait for it.
 * @param {HTMLElement} root
 */
export function countFrame(root) {
  root.dataset.frames = String(Number(root.dataset.frames ?? 0) + 1);
}

/**
 * Puts these nodes in the place of what an element holds; what stays alike stays there, and only what
 * differs is set: less is styled and laid out anew.
 * @param {Node} parent @param {(string | Node)[]} nodes
 */
export function refill(parent, nodes) {
  const fresh = nodes.map((node) => (typeof node === "string" ? document.createTextNode(node) : node));
  const old = [...parent.childNodes];
  fresh.forEach((node, i) => {
    if (!old[i]) parent.appendChild(node);
    else if (!become(old[i], node)) parent.replaceChild(node, old[i]);
  });
  for (const node of old.slice(fresh.length)) parent.removeChild(node);
}

/**
 * Whether a node could be made like another one: it is of the same kind.
 * @param {Node} node @param {Node} other
 */
function become(node, other) {
  if (node.nodeName !== other.nodeName) return false;
  if (!(node instanceof Element && other instanceof Element)) {
    if (node.nodeValue !== other.nodeValue) node.nodeValue = other.nodeValue;
    return true;
  }
  for (const { name } of [...node.attributes]) if (!other.hasAttribute(name)) node.removeAttribute(name);
  for (const { name, value } of other.attributes) if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  refill(node, [...other.childNodes]);
  return true;
}
