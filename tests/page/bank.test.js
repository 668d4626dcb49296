// When the page asks for frames again.

import assert from "node:assert/strict";
import { test } from "node:test";

const { makeBank, QUIET } = await import("../../attention_core/live/page/bank.js");

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
