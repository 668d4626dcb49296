// Frames of the steps that the reader could take next, so that a slider follows the hand without the kernel.
//
// The bank of a dial holds, for each value of one control, what the views then show. It is right only as
// long as all other controls stand where they stood when it was made, and in its context: Python counts that
// up when anything else has changed. A move is shown from the bank at once, and the kernel's own answer to
// that move replaces it; answers to earlier moves, which are still on their way, are not shown any more.
// Python is told of such a move when its frame is on the screen. Nothing is computed here.

import { element } from "./dom.js";
import { noteKernel } from "./kernel.js";
import { onChange } from "./model.js";
import { afterFrame } from "./schedule.js";

/**
 * @typedef {{ get: (name: string) => any, set_state: (state: object) => void, save_changes: Function, on: Function, off: Function }} Other a model of the page
 * @typedef {Record<string, Record<string, any>>} Patch of each view, by its name, the traits that show a step
 * @typedef {object} Dial
 * @property {Other} model
 * @property {string} trait
 * @property {boolean} hasSteps
 * @property {string[]} moves names of the inputs: two dials may move the same one
 *
 * @typedef {object} Held the frames of one dial
 * @property {number} context
 * @property {any[]} at where all dials stood
 * @property {Map<string, Patch>} steps by the value of the dial, as JSON
 * @property {Patch} base what the views showed there, of all that some step changes
 * @property {boolean} more
 * @property {number} asked how many there are, to go on from
 */

export const QUIET = 300; // ms without a move, after which frames are asked for: a hand that goes on is not disturbed
const LOST = 5000; // ms after which nobody answers any more
const key = (/** @type {any} */ value) => JSON.stringify(value);

/**
 * The bank of one explorer: pure but for what it is given.
 * @param {object} page
 * @param {Dial[]} page.dials @param {Record<string, Other>} page.views
 * @param {() => { n: number, context: number, at: any[] }} page.answer for what Python's newest answer is
 * @param {() => boolean} page.gone whether nobody is there any more to be asked
 * @param {(wish: object) => void} page.ask @param {(why: string) => void} page.say
 * @param {(draw: () => void) => void} page.soon runs once all that one message changes has been set
 * @param {(run: () => void, ms: number) => any} page.later @param {(timer: any) => void} page.never
 */
export function makeBank({ dials, views, answer, gone, ask, say, soon, later, never }) {
  /** @type {(Held | undefined)[]} */
  const held = [];
  /** @type {Patch | null} */
  let shown = null; // of the move to which no answer has come
  let setting = false; // a change that is made here
  let again = false;
  let wanted = false; // nobody has come near yet
  let asking = 0;
  let calm = true; // Python has answered all moves
  let barren = -1; // the context in which there is no bank
  /** @type {any} */
  let timer = null;

  const value = (/** @type {Dial} */ dial) => dial.model.get(dial.trait);
  const now = () => dials.map(value);
  const here = () => key(now()) === key(answer().at);

  /**
   * Where a dial stands, not counting what a frame shown here has set.
   * @param {number} i
   */
  function stands(i) {
    const { model, trait } = dials[i];
    const of = Object.keys(views).find((name) => views[name] === model);
    const made = of && shown?.[of];
    return made && trait in made && key(made[trait]) === key(value(dials[i])) ? undefined : value(dials[i]);
  }

  /**
   * Whether these frames were made for where all other dials stand.
   * @param {Held | undefined} bank @param {number} i
   */
  function fits(bank, i) {
    if (!bank || bank.context !== answer().context) return false;
    return dials.every((dial, j) => {
      if (j === i || dial.moves.some((name) => dials[i].moves.includes(name))) return true;
      const at = stands(j);
      return at === undefined || key(at) === key(bank.at[j]);
    });
  }

  /** @param {Patch} patch */
  function paint(patch) {
    setting = true;
    for (const [name, state] of Object.entries(patch)) views[name]?.set_state(state);
    setting = false;
  }

  /**
   * A dial has moved, by the reader or by Python. Returns whether its message may wait until its frame is on the
   * screen: the echo of an earlier move would move the dial back meanwhile.
   * @param {number} i @param {boolean} [untold] the move before this one still waits: Python hears of both as one
   */
  function moved(i, untold = false) {
    if (setting) return false;
    const wasCalm = calm;
    calm = false;
    const bank = held[i];
    const step = fits(bank, i) ? bank?.steps.get(key(value(dials[i]))) : undefined;
    if (step) { // also back where the newest answer stands: another may be on its way
      const { base, at } = /** @type {Held} */ (bank);
      const back = untold && key(value(dials[i])) === key(at[i]); // for Python nothing has moved, and so nothing follows
      shown = whole(back ? {} : step, base);
      paint(shown);
    }
    wait();
    return wasCalm && Boolean(step);
  }

  /**
   * With what other steps change and this one leaves as it was.
   * @param {Patch} step @param {Patch} base
   */
  function whole(step, base) {
    /** @type {Patch} */
    const patch = {};
    for (const name of Object.keys({ ...base, ...step })) patch[name] = { ...base[name], ...step[name] };
    return patch;
  }

  /** Python says for what the answer is whose messages follow. */
  function answered() {
    calm = here();
    if (shown && (calm || held.every((bank) => bank?.context !== answer().context))) shown = null;
    asking = 0;
    if (barren !== answer().context) { barren = -1; say(""); }
    wait();
  }

  /** A view was changed, perhaps by an answer to an earlier move: what is shown then is the newest all the same. */
  function changed() {
    if (setting || !shown || again) return;
    again = true;
    soon(() => {
      again = false;
      if (shown) paint(shown);
    });
  }

  // ---- asking for frames

  function wait(ms = QUIET) {
    never(timer);
    if (wanted) timer = later(pull, ms);
  }

  function pull() {
    if (gone() || asking || barren === answer().context || !here()) return;
    const i = dials.findIndex((dial, j) => dial.hasSteps && !(fits(held[j], j) && !held[j]?.more));
    if (i < 0) return;
    const bank = fits(held[i], i) ? held[i] : undefined;
    const { context, at } = answer();
    asking = 1 + i;
    ask({ dial: i, context, at, from: bank?.asked ?? 0 });
    timer = later(() => { asking = 0; pull(); }, LOST);
  }

  /** @param {{ dial: number, context: number, at: any[], steps: [any, Patch][], base: Patch, more: boolean, why: string, late?: boolean }} told */
  function told({ dial, context, at, steps, base, more, why, late }) {
    asking = 0;
    if (late || context !== answer().context) { wait(); return; }
    if (why) { barren = context; held.length = 0; say(why); return; }
    const before = held[dial];
    const goesOn = before && before.context === context && key(before.at) === key(at) && before.more;
    const bank = goesOn ? before : { context, at, steps: new Map(), base, more, asked: 0 };
    for (const [where, step] of steps) bank.steps.set(key(where), step);
    Object.assign(bank, { base, more, asked: bank.asked + steps.length });
    held[dial] = bank;
    wait(more && !steps.length ? LOST : 0); // the kernel is busy: a cell computes
  }

  return { moved, answered, changed, told, want: () => { wanted = true; wait(0); }, stop: () => never(timer) };
}

/**
 * Lets a bank hear of its dials' moves. Python is told when the frame is on the screen: that the kernel is busy
 * is news that costs Jupyter's page as much as the frame.
 * @param {{ moved: (i: number, untold: boolean) => boolean }} bank @param {Dial[]} dials @param {(run: () => void) => void} [after]
 */
export function listen(bank, dials, after = afterFrame) {
  dials.forEach(({ model, trait }, i) => {
    const save = model.save_changes.bind(model);
    let late = false;
    /** @type {any[] | null} */
    let waiting = null; // what the view says of the answer
    model.on(`change:${trait}`, () => { late = bank.moved(i, waiting !== null); });
    model.save_changes = (/** @type {any[]} */ ...told) => {
      waiting = late ? told : null;
      if (!late) save(...told);
      else after(() => { if (waiting) save(...waiting); waiting = null; });
    };
  });
}

/**
 * A thing in which `{ bytes: i }` stands for the i-th buffer, with the buffers in it.
 * @param {any} thing @param {DataView[]} buffers @returns {any}
 */
export function unpacked(thing, buffers) {
  if (Array.isArray(thing)) return thing.map((one) => unpacked(one, buffers));
  if (thing === null || typeof thing !== "object") return thing;
  if (typeof thing.bytes === "number" && Object.keys(thing).length === 1) return buffers[thing.bytes];
  return Object.fromEntries(Object.entries(thing).map(([name, one]) => [name, unpacked(one, buffers)]));
}

/** @typedef {{ _dials: any[], _views: Record<string, string>, _answer: any, _near?: boolean, _why?: string, _gone?: boolean }} State the last three are the page's own */

/** @param {{ model: import("./model.js").Model<State> }} context */
async function initialize({ model }) {
  const other = (/** @type {string} */ id) => model.widget_manager?.get_model?.(id);
  const dials = await Promise.all(model.get("_dials").map(async ([id, trait, hasSteps, moves]) =>
    ({ model: await other(id), trait, hasSteps, moves })));
  const named = await Promise.all(Object.entries(model.get("_views")).map(async ([name, id]) => [name, await other(id)]));
  const views = Object.fromEntries(named);
  const bank = makeBank({
    dials, views, answer: () => model.get("_answer"), gone: () => model.get("_gone") === true, ask: model.send.bind(model), soon: queueMicrotask,
    say: (why) => model.set("_why", why && `The map follows the kernel, not the hand: ${why}.`),
    later: (run, ms) => window.setTimeout(run, ms), never: (timer) => clearTimeout(timer),
  });
  model.on("change:_answer", bank.answered);
  model.on("msg:custom", (content, buffers) => {
    bank.told({ ...content, steps: unpacked(content.steps, buffers), base: unpacked(content.base, buffers) });
  });
  listen(bank, dials);
  for (const view of Object.values(views)) view.on("change", bank.changed);
  model.on("change:_near", bank.want);
  if (model.get("_near")) bank.want();
  const forget = noteKernel(/** @type {any} */ ({ model }));
  return () => {
    bank.stop();
    forget?.();
  };
}

/** @param {{ model: import("./model.js").Model<State>, el: HTMLElement }} context */
function render({ model, el }) {
  const word = element("div", "attention-bank", el, { role: "status" });
  const said = () => { word.textContent = model.get("_why") ?? ""; };
  said();
  const off = onChange(model, ["_why"], said);
  const near = (/** @type {Event} */ { target }) => { // from then on frames are asked for
    const explorer = el.closest(".attention-explorer"); // not when this is drawn: it is not on the page yet
    if (target instanceof Node && explorer?.contains(target)) model.set("_near", true);
  };
  const events = ["pointerover", "focusin"];
  for (const event of events) document.addEventListener(event, near);
  return () => {
    off();
    for (const event of events) document.removeEventListener(event, near);
  };
}

export default { initialize, render };
