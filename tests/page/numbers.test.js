// Numbers as words. tests/test_page.py compares them with still.py, value by value.

import assert from "node:assert/strict";
import test from "node:test";

import { counted, duration, fixed, inCell, power, two, weight, within } from "../../attention_core/live/page/numbers.js";

/** @param {(x: number) => string} say @param {[number, string][]} table */
const says = (say, table) => { for (const [x, words] of table) assert.equal(say(x), words, `of ${x}`); };

test("two digits, never a minus before a zero", () => {
  says(two, [
    [0, "0.00"], [-0, "0.00"], [-0.001, "0.00"], [-0.006, "−0.01"], [0.125, "0.12"], [0.375, "0.38"], [-0.625, "−0.62"],
    [1e21, "1e+21"], [-12.345, "−12.35"], [NaN, "NaN"], [Infinity, "∞"], [-Infinity, "−∞"], [5e-324, "0.00"],
  ]);
});

test("halves go to the even digit, and only halves", () => {
  assert.deepEqual([0.5, 1.5, 2.5, 3.5].map((x) => fixed(x, 0)), ["0", "2", "2", "4"]);
  assert.deepEqual([0.25, 0.75, 0.05, 0.35].map((x) => fixed(x, 1)), ["0.2", "0.8", "0.1", "0.3"]);
  assert.equal(fixed(9.995, 2), "9.99"); // the double is a little less
  assert.equal(fixed(2 ** 60 + 0.5, 2), "1152921504606846976.00");
});

test("a cell's number is short, and does not lie", () => {
  says(inCell, [
    [0, ""], [-0.001, ""], [0.0049, ""], [0.005, ".01"], [0.07, ".07"], [0.125, ".12"], [0.994, ".99"], [0.995, "1.0"],
    [1.005, "1.0"], [1.2, "1.2"], [12.34, "12.3"], [123.4, "123"], [999.4, "999"], [1e30, ">999"], [-1e30, "<−999"],
    [-0.03, "−.03"], [-0.5, "−0.5"], [-12.3, "−12.3"], [NaN, "NaN"], [Infinity, "∞"], [-Infinity, "−∞"], [5e-324, ""],
  ]);
});

test("a small weight has two digits that count, and one too small for words says so", () => {
  says(weight, [
    [0, "0.00"], [0.625, "0.62"], [0.01, "0.01"], [0.0083, "0.0083"], [0.00833, "0.0083"], [0.00994, "0.0099"], [0.00996, "0.01"],
    [0.00083, "0.00083"], [0.000996, "0.0010"], [0.0001, "0.00010"], [0.00009, "<0.0001"], [5e-324, "<0.0001"], [1, "1.00"],
    [-0.0083, "−0.0083"], [-1e-9, "0.00"], [NaN, "NaN"], [Infinity, "∞"],
  ]);
});

test("powers of e, also where a double cannot hold them", () => {
  says(power, [
    [0, "1.00"], [1, "2.72"], [-Infinity, "0.00"], [Infinity, "∞"], [NaN, "NaN"], [800, "e^800"], [-800, "e^−800"],
    [20, "4.9e+8"], [-10, "4.5e−5"], [-745, "4.9e−324"],
  ]);
});

test("counts and durations", () => {
  assert.deepEqual([0, 1, 2].map((n) => counted(n, "step", "steps")), ["0 steps", "1 step", "2 steps"]);
  assert.deepEqual([0.4, 59.4, 59.6, 125].map(duration), ["0 s", "59 s", "1 min 0 s", "2 min 5 s"]);
  assert.deepEqual([within(-1, 0, 2), within(1, 0, 2), within(3, 0, 2)], [0, 1, 2]);
});
