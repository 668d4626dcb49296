// When the page asks for frames again.

import assert from "node:assert/strict";
import { test } from "node:test";

const { listen, makeBank, QUIET } = await import("../../attention_core/live/page/bank.js");

const AT = [0, 0];

function opened() {
  const asked = [];
  let timer = null;
  const dial = { model: { get: () => 0 }, trait: "index", hasSteps: true };
  const bank = makeBank({
    dials: [{ ...dial, moves: ["one"] }, { ...dial, moves: ["other"] }], views: {},
    answer: () => ({ n: 1, context: 1, at: AT }), gone: () => false, say: () => {}, soon: () => {},
    ask: (wish) => asked.push(wish), later: (run, ms) => (timer = { run, ms }), never: () => { timer = null; },
  });
  bank.want();
  timer.run();
  return { asked, told: (some) => bank.told({ dial: 0, context: 1, at: AT, steps: [], base: {}, more: false, why: "", ...some }), timer: () => timer };
}

test("frames that go on are asked for at once, from where the last ones ended", () => {
  const { asked, told, timer } = opened();
  told({ steps: [[0, {}], [1, {}]], more: true });
  assert.equal(timer().ms, 0);
  timer().run();
  assert.deepEqual(asked.map(({ dial, from }) => [dial, from]), [[0, 0], [0, 2]]);
});

test("a kernel that is busy is asked again later, and not without a pause", () => {
  const { asked, told, timer } = opened();
  told({ more: true });
  assert.ok(timer().ms > 10 * QUIET);
  timer().run();
  assert.deepEqual(asked.map(({ dial, from }) => [dial, from]), [[0, 0], [0, 0]]);
});

test("the next control is asked for when there are no more frames of one", () => {
  const { asked, told, timer } = opened();
  told({ steps: [[0, {}]] });
  assert.equal(timer().ms, 0);
  timer().run();
  assert.deepEqual(asked.map(({ dial, from }) => [dial, from]), [[0, 0], [1, 0]]);
});

// A dial with frames for steps 0 and 1, a hand that moves it, and the page's frames, stepped by hand.
function moving() {
  const [heard, saved, frames, shown] = [{}, [], [], []];
  let [value, at] = [0, [0]];
  const model = {
    get: () => value, on: (event, call) => { heard[event] = call; },
    save_changes: (how) => saved.push([value, how]),
  };
  const dials = [{ model, trait: "index", hasSteps: true, moves: ["one"] }];
  const bank = makeBank({
    dials, views: { map: { set_state: (state) => shown.push(state) } }, answer: () => ({ n: 1, context: 1, at }), gone: () => false, say: () => {}, soon: () => {},
    ask: () => {}, later: () => {}, never: () => {},
  });
  listen(bank, dials, (run) => frames.push(run));
  bank.told({ dial: 0, context: 1, at, steps: [[0, { map: { at: "0, reached" } }], [1, { map: { at: 1 } }]], base: { map: { at: 0 } }, more: false, why: "" });
  return {
    saved, shown,
    move: (to, how) => { value = to; heard["change:index"](); model.save_changes(how); },
    frame: () => { for (const run of frames.splice(0)) run(); },
    answer: (to) => { at = [to]; bank.answered(); },
  };
}

test("Python is told of a move when its frame is on the screen, once, with what the view says of the answer", () => {
  const { saved, move, frame } = moving();
  move(1, "to this cell");
  assert.deepEqual(saved, []);
  frame(); frame();
  assert.deepEqual(saved, [[1, "to this cell"]]);
});

test("a move for which no frame is held is told at once", () => {
  const { saved, move } = moving();
  move(2);
  assert.deepEqual(saved, [[2, undefined]]);
});

test("until Python has answered, the next moves are told at once: an echo would move the dial back", () => {
  const { saved, move, frame, answer } = moving();
  move(1); frame(); move(0);
  assert.deepEqual(saved.map(([value]) => value), [1, 0]);
  answer(1);
  move(1);
  assert.deepEqual(saved.map(([value]) => value), [1, 0, 1]); // the dial stands where no answer is for
  answer(1);
  move(0);
  assert.equal(saved.length, 3);
  frame();
  assert.deepEqual(saved.map(([value]) => value), [1, 0, 1, 0]);
});

test("of two moves before a frame the first is told with the second, and nothing later", () => {
  const { saved, move, frame } = moving();
  move(1); move(0);
  assert.deepEqual(saved.map(([value]) => value), [0]);
  frame();
  assert.equal(saved.length, 1);
});

test("there and back before a frame is no move for Python: nothing that would follow one is shown", () => {
  const { shown, move, frame } = moving();
  move(1); move(0);
  assert.deepEqual(shown.map(({ at }) => at), [1, 0]);
  frame(); move(1); move(0);
  assert.deepEqual(shown.slice(2).map(({ at }) => at), [1, "0, reached"]); // Python has heard of both
});
