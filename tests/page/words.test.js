import assert from "node:assert/strict";
import test from "node:test";

import { readFrame } from "../../attention_core/live/page/frame.js";
import { arithmetic, captionOf, directionOf, gridName, hidden, inWords, rowInWords, sumsInWords } from "../../attention_core/live/page/words.js";
import { float32, mask, sent } from "./frames.js";

const cell = (row, column) => ({ head: 0, row, column });
const softmax = (scores) => { const e = scores.map(Math.exp); const sum = e.reduce((a, b) => a + b); return e.map((x) => x / sum); };

test("a cell in words", () => {
  const frame = readFrame(sent([[0.125, 0.875], [0.3, 0.7]], { allowed: mask([true, true, false, false]), queries: ["it", "<b>"] }));
  assert.equal(inWords(frame, cell(0, 1)).join(""), "“it” gives 0.88 of its attention to “k1”.");
  assert.equal(inWords(frame, cell(1, 0)).join(""), "“<b>” may not look at “k0”, and yet gives it 0.30.");
  const masked = readFrame(sent([[0, 1]], { allowed: mask([false, true]) }));
  assert.equal(inWords(masked, cell(0, 0)).join(""), "“q0” may not look at “k0”.");
});

test("small weights are told apart in words, from others and from the arithmetic", () => {
  const even = readFrame(sent([Array(120).fill(1 / 120)], { scores: float32(Array(120).fill(0)) }));
  assert.equal(inWords(even, cell(0, 7)).join(""), "“q0” gives 0.0083 of its attention to “k7”.");
  assert.deepEqual(arithmetic(even, cell(0, 7)).at(-1), ["÷ row’s sum", "0.0083", "sum 120.00"]);
  const wrong = readFrame(sent([Array(120).fill(0.006)], { scores: float32(Array(120).fill(0)) }));
  assert.deepEqual(arithmetic(wrong, cell(0, 7)).at(-1), ["but the map", "0.0060", "another formula made this map"]);
  const leaking = readFrame(sent([[0.004, 0.996]], { allowed: mask([false, true]) }));
  assert.equal(inWords(leaking, cell(0, 0)).join(""), "“q0” may not look at “k0”, and yet gives it 0.0040.");
});

test("what is no attention weight is said in the map's own words", () => {
  const reading = {
    cell: "replacing {key} changes {query} in {number} of the cases", row: "What changes {query}, {largest} at most, {sum} in all",
    caption: "From {least} to {largest}.", number: "effect", rows: "written", columns: "typed",
  };
  const rows = [[0.5, 1], [0, 0]];
  const frame = readFrame(sent(rows, { reading, allowed: mask([true, true, false, true]), queries: ["{key}", "b"] }));
  assert.equal(inWords(frame, cell(0, 0)).join(""), "replacing “k0” changes “{key}” in 0.50 of the cases");
  assert.deepEqual(inWords(frame, cell(0, 0)).map((text, i) => (i % 2 ? text : "")).join("|"), "|replacing || changes || in || of the cases");
  assert.equal(inWords(frame, cell(1, 0)).join(""), "“b” and “k0”: left out.");
  assert.equal(rowInWords(frame, 0, 0).join(""), "What changes “{key}”, 1.00 at most, 1.50 in all");
  assert.equal(captionOf(frame), "From 0.00 to 1.00.");
  assert.equal(gridName(frame, "head 1"), "effect, head 1: rows are written, columns are typed");
  assert.equal(hidden(frame), "left out");
  assert.equal(hidden(readFrame(sent(rows, { reading: { ...reading, hidden: "may not look" } }))), "may not look");
  for (const more of [{}, { reading }]) {
    const blank = readFrame(sent(rows, { ...more, allowed: mask([1, 2, 0, 1]) }));
    assert.equal(inWords(blank, cell(0, 1)).join(""), "“q0” and “k1”: not computed.");
    assert.doesNotMatch(inWords(blank, cell(1, 0)).join(""), /not computed/);
  }
  const usual = readFrame(sent(rows));
  assert.equal(usual.reading, null);
  assert.equal(rowInWords(usual, 0, 0).join(""), "“q0” shares out 1.50");
  assert.equal(rowInWords(usual, 0, 1).join(""), "“q1” may look nowhere: it shares out 0");
  assert.equal(captionOf(usual), "Each row is one query; here rows sum to 1.50 … 1.50.");
  assert.equal(gridName(usual, ""), "Attention weights: rows are queries, columns are keys");
  assert.equal(hidden(usual), "may not look");
});

test("a sentence runs as its first letter does", () => {
  const runs = (sentence) => directionOf(sentence.split(" "));
  for (const sentence of ["the cat", "", "12 !", "12 cats שלום", "Ελληνικά", "中文", "<b>"]) assert.equal(runs(sentence), "ltr", sentence);
  for (const sentence of ["החתול ישב", "القطة على", "12 “שלום” cat", "ܫܠܡܐ"]) assert.equal(runs(sentence), "rtl", sentence);
});

test("what rows sum to", () => {
  const sums = (rows) => sumsInWords(readFrame(sent(rows)));
  assert.equal(sums([[0.5, 0.5], [0, 0]]), "its weights sum to 1");
  assert.equal(sums([[0, 0]]), "its weights sum to 1");
  assert.equal(sums([[0.5, 0.25], [1, 1]]), "here rows sum to 0.75 … 2.00");
  assert.equal(sums([[NaN, 0.25], [1, 1]]), "here rows sum to NaN … NaN");
  assert.equal(sums([[Infinity, 0]]), "here rows sum to ∞ … ∞");
});

test("the arithmetic of a cell, from the dot product to the weight", () => {
  const scores = [1, 0.5];
  const frame = readFrame(sent([softmax(scores)], {
    scores: float32(scores), steps: [["÷ 2", 0.5]],
    terms: { names: ["a", "b", "c"], query: float32([1, -2, 0]), key: float32([4, 1, 9, 1, 0, 0]) },
  }));
  assert.deepEqual(arithmetic(frame, cell(0, 0)), [
    ["query · key", "2.00", "a 1.0×4.0 + b −2.0×1.0"], ["÷ 2", "1.00", ""],
    ["exp", "2.72", ""], ["÷ row’s sum", "0.62", "sum 4.37"],
  ]);
  assert.deepEqual(arithmetic(readFrame(sent([[1]])), cell(0, 0)), []);
});

test("a map that another formula made is told from the arithmetic", () => {
  const wrong = readFrame(sent([[0.5, 0.5]], { scores: float32([2, 0]) }));
  assert.deepEqual(arithmetic(wrong, cell(0, 0)).at(-1), ["but the map", "0.50", "another formula made this map"]);
  const leaking = readFrame(sent([[0.5, 0.5]], { scores: float32([0, 0]), allowed: mask([true, false]) }));
  assert.deepEqual(arithmetic(leaking, cell(0, 1)).slice(1), [
    ["masked: −∞", "−∞", ""], ["exp", "0.00", "e^−∞ = 0"], ["but the map", "0.50", "the mask was not used"],
  ]);
});

test("scores that no number holds are said as they are", () => {
  const frame = readFrame(sent([[1, 0]], { scores: float32([0, -Infinity]) }));
  assert.deepEqual(arithmetic(frame, cell(0, 1)), [["score", "−∞", ""], ["exp", "0.00", ""], ["÷ row’s sum", "0.00", "sum 1.00"]]);
  const nan = readFrame(sent([[NaN, NaN]], { scores: float32([NaN, 0]) }));
  assert.deepEqual(arithmetic(nan, cell(0, 0)), [["score", "NaN", ""], ["exp", "NaN", ""], ["÷ row’s sum", "NaN", "sum NaN"]]);
});
