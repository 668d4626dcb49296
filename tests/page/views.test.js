// The pure parts of heads, marked sentences and curves.

import assert from "node:assert/strict";
import test from "node:test";

import { pathOf, ticks } from "../../attention_core/live/page/curves.js";
import { isOn, pressed } from "../../attention_core/live/page/heads.js";
import { pieces } from "../../attention_core/live/page/marked.js";

test("in a solo one head is on, whatever was switched off before", () => {
  assert.deepEqual([0, 1, 2].map((head) => isOn(head, [1], null)), [true, false, true]);
  assert.deepEqual([0, 1, 2].map((head) => isOn(head, [1], 1)), [false, true, false]);
});

test("a switch turns one head, and ends a solo with what was heard in it", () => {
  assert.deepEqual(pressed(2, 4, [], null), [2]);
  assert.deepEqual(pressed(2, 4, [2, 3], null), [3]);
  assert.deepEqual(pressed(0, 4, [3], 2), [1, 3]); // head 2 was alone; now 0 is on, too
  assert.deepEqual(pressed(2, 4, [], 2), [0, 1, 2, 3]);
});

test("every second piece of a sentence is bold", () => {
  assert.deepEqual(pieces("With **one** head **0.50**."), ["With ", "one", " head ", "0.50", "."]);
  assert.deepEqual(pieces("plain"), ["plain"]);
  assert.equal(pieces("**2** × 2").filter((_, i) => i % 2).join(), "2");
});

test("ticks are whole, few, and have zero among them", () => {
  assert.deepEqual(ticks(0, 3), [0, 1, 2, 3]);
  assert.deepEqual(ticks(-63, 63), [-63, -42, -21, 0, 21, 42, 63]);
  assert.ok(ticks(-7, 60).length <= 7 && ticks(-7, 60).includes(0));
  assert.ok(ticks(-63, 63).every((tick) => !Object.is(tick, -0)));
});

test("a pen is lifted over what is not finite", () => {
  const same = (v) => v;
  assert.equal(pathOf({ x: [0, 1, 2, 3], y: [1, NaN, 2, 3] }, same, same), "M0.0 1.0M2.0 2.0L3.0 3.0");
});
