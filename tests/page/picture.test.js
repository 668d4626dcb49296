// What a hand and keys do on a picture cut into cells, and what its cells are called.

import assert from "node:assert/strict";
import test from "node:test";

import { handGrid, lineTo, merged, nameOf, placeByKey, scaleOf } from "../../attention_core/live/page/pixels.js";

const pixels = new DataView(new Uint8Array([0, 0, 0, 255, 255, 255, 128, 128, 128, 255, 0, 10]).buffer);
const frame = {
  size: [2, 2], pixels, grid: [1, 2], weights: [0.25, null], hidden: [], chosen: 0, marked: [1],
  names: ["patch 0", "patch 1"], by: "cell", said: "", hint: "", means: ["hidden", "decides"],
};

test("a cell is called by its name, its weight and what is special about it", () => {
  assert.equal(nameOf(frame, { row: 0, column: 0 }), "patch 0: weight 0.25, chosen");
  assert.equal(nameOf(frame, { row: 0, column: 1 }), "patch 1: weight NaN, decides");
  assert.equal(nameOf({ ...frame, hidden: [0] }, { row: 0, column: 0 }), "patch 0, hidden, chosen");
  assert.equal(nameOf({ ...frame, weights: null, chosen: null }, { row: 0, column: 0 }), "patch 0");
});

test("where lines lead from who looks, a cell without a weight is called by its name alone", () => {
  const lines = { ...frame, lines: [] };
  assert.equal(nameOf(lines, { row: 0, column: 0 }), "patch 0: weight 0.25, chosen");
  assert.equal(nameOf(lines, { row: 0, column: 1 }), "patch 1, decides");
});

test("a flat picture is as wide as a slide, others leave room beside them", () => {
  assert.equal(scaleOf([72, 288], 2000), 3);
  assert.equal(scaleOf([48, 512], 2000), 2);
  assert.equal(scaleOf([144, 288], 2000), 264 / 288);
  assert.equal(scaleOf([72, 288], 300), 1);
  assert.equal(scaleOf([198, 396], 2000, 396), 1);
  assert.equal(scaleOf([198, 396], 300, 396), 300 / 396);
});

test("a pixel is called by its place and its brightness, or its colours", () => {
  const by = { ...frame, by: "pixel" };
  assert.equal(nameOf(by, { row: 0, column: 0 }), "pixel 0, 0: 0");
  assert.equal(nameOf(by, { row: 0, column: 1 }), "pixel 0, 1: 1.0");
  assert.equal(nameOf(by, { row: 1, column: 0 }), "pixel 1, 0: .50");
  assert.equal(nameOf(by, { row: 1, column: 1 }), "pixel 1, 1: red 255, green 0, blue 10");
});

test("a hand takes cells, or pixels", () => {
  assert.deepEqual(handGrid(frame), [1, 2]);
  assert.deepEqual(handGrid({ ...frame, by: "pixel" }), [2, 2]);
});

test("arrows, Home and End lead from place to place and stop at the edges", () => {
  const to = (key, from = { row: 1, column: 1 }, ctrlKey = false) => placeByKey([3, 4], from, { key, ctrlKey });
  assert.deepEqual(to("ArrowDown"), { row: 2, column: 1 });
  assert.deepEqual(to("ArrowUp"), { row: 0, column: 1 });
  assert.deepEqual(to("ArrowRight", { row: 2, column: 3 }), { row: 2, column: 3 });
  assert.deepEqual(to("ArrowDown", { row: 2, column: 3 }), { row: 2, column: 3 });
  assert.deepEqual(to("ArrowLeft", { row: 0, column: 0 }), { row: 0, column: 0 });
  assert.deepEqual(to("Home"), { row: 1, column: 0 });
  assert.deepEqual(to("End", { row: 1, column: 1 }, true), { row: 2, column: 3 });
  assert.equal(to("Enter"), null);
  assert.equal(to("Tab"), null);
});

test("a fast hand leaves no gap", () => {
  assert.deepEqual(lineTo({ row: 0, column: 0 }, { row: 0, column: 3 }), [[0, 1], [0, 2], [0, 3]]);
  assert.deepEqual(lineTo({ row: 3, column: 3 }, { row: 1, column: 2 }), [[2, 3], [1, 2]]);
  assert.deepEqual(lineTo({ row: 1, column: 1 }, { row: 1, column: 1 }), []);
});

test("of wishes that wait nothing is lost but the way between", () => {
  assert.deepEqual(merged({ dragged: [0, 1] }, { dragged: [1, 4] }), { dragged: [0, 4] });
  assert.deepEqual(merged({ dragged: [0, 1], begun: true }, { dragged: [1, 4], begun: false }), { dragged: [0, 4], begun: true });
  assert.deepEqual(merged({ dragged: [0, 1], begun: true }, { dragged: [3, 4], begun: true }), { dragged: [3, 4], begun: true });
  assert.deepEqual(merged({ painted: [[0, 0]] }, { painted: [[0, 1]] }), { painted: [[0, 0], [0, 1]] });
  assert.deepEqual(merged({ painted: [[0, 0]] }, { chosen: 3 }), { painted: [[0, 0]], chosen: 3 });
  assert.deepEqual(merged({ chosen: 1 }, { chosen: 3 }), { chosen: 3 });
});

test("a pixel is a whole number of the screen's, where there is room", () => {
  assert.equal(scaleOf([24, 24], 900), 11);
  assert.equal(scaleOf([24, 24], 130), 5);
  assert.equal(scaleOf([24, 48], 900), 5);
  assert.equal(scaleOf([512, 512], 900), 264 / 512);
});
