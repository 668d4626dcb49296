// What the kernel would answer, from the record that was made with it: how an explorer moves on a page alone.
//
// A set of dials has a frame for each place that they can stand at, while all others stand where they stood.
// Once another dial is moved, those that are not in its set go back, so that what is shown is always true.

/** @typedef {import("./alone.js").Alone} Alone */
/** @typedef {import("./packed.js").Patch} Patch */

export const NOBODY = "This page has no kernel: it moves with its other controls.";
export const BACK = "This page has no kernel and holds each control’s steps from one place: the others went back to it.";
const key = (/** @type {any} */ value) => JSON.stringify(value);

/**
 * Pure but for what it is given.
 * @param {object} page
 * @param {import("./packed.js").Moves} page.moves @param {import("./alone.js").Models} page.models
 * @param {(frame: number) => Patch} page.frame
 * @param {(words: string) => void} page.say @param {(answer: () => void) => void} page.soon when all that one move changes is set
 */
export function makeAnswers({ moves, models, frame, say, soon }) {
  const dials = moves.dials.map(([id, trait, inputs]) => ({ id, model: models.get(id), trait, inputs }));
  const sets = moves.sets.map(({ dials: which, steps }) => ({ which, steps: new Map(steps.map(([at, n]) => [key(at), n])) }));
  const { dials: placed, told } = moves.wishes;
  const wishes = new Map(told.map(([id, at, wish, n]) => [key([id, at, wish]), n]));
  /** @type {Patch} */
  const home = {};
  const traits = Object.entries(moves.changed).flatMap(([id, names]) => names.map((name) => [id, name]));
  for (const [id, trait] of [...traits, ...dials.map((dial) => [dial.id, dial.trait])]) {
    (home[id] ??= {})[trait] = models.get(id)?.get(trait);
  }
  /** @type {Patch} */
  let shown = {};
  let setting = false; // a change that is made here
  let last = ""; // which dials were moved last: what was said of them stays while they are
  /** @type {Set<number>} */
  const due = new Set();

  const value = (/** @type {number} */ i) => dials[i].model?.get(dials[i].trait);
  const atHome = (/** @type {number} */ i) => key(value(i)) === key(home[dials[i].id][dials[i].trait]);

  /** @param {Patch} patch */
  function show(patch) {
    shown = patch;
    setting = true;
    for (const [id, state] of Object.entries(home)) models.get(id)?.set_state({ ...state, ...patch[id] });
    setting = false;
  }

  /**
   * Shows it, and says so if a dial that nobody has moved went back.
   * @param {Patch} patch @param {string[]} moved inputs
   */
  function turn(patch, moved) {
    const before = dials.map((_, i) => key(value(i)));
    show(patch);
    const back = dials.some(({ inputs }, i) =>
      !inputs.some((name) => moved.includes(name)) && before[i] !== key(value(i)) && atHome(i));
    if (back || last !== key(moved)) say(back ? BACK : "");
    last = key(moved);
  }

  function answer() {
    const moved = [...due];
    due.clear();
    for (const { which, steps } of sets) {
      if (!moved.some((i) => which.includes(i)) || moved.some((i) => !which.includes(i) && !atHome(i))) continue;
      const step = steps.get(key(which.map(value)));
      if (step !== undefined) { turn(frame(step), moved.flatMap((i) => dials[i].inputs)); return; }
    }
    show(shown);
    say(NOBODY);
  }

  dials.forEach(({ model, trait }, i) => model?.on(`change:${trait}`, () => {
    if (setting) return;
    if (!due.size) soon(answer);
    due.add(i);
  }));

  return {
    /** Whether anything is recorded of this control. */
    moves: (/** @type {string} */ id) => sets.some(({ which }) => which.some((i) => dials[i].id === id)),
    /**
     * What a model would tell the kernel; false where it is none of these.
     * @param {string} id @param {object} wish
     */
    wish(id, wish) {
      if (!Object.hasOwn(home, id)) return false;
      const others = dials.some((_, i) => !placed.includes(i) && !atHome(i));
      const here = wishes.get(key([id, placed.map(value), wish]));
      const step = here ?? wishes.get(key([id, placed.map((i) => home[dials[i].id][dials[i].trait]), wish]));
      if (step !== undefined) show(frame(step));
      say(step === undefined ? NOBODY : others || here === undefined ? BACK : "");
      last = "";
      return true;
    },
  };
}
