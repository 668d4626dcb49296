// What keys do in a table of numbers, and what its cells are called.

import assert from "node:assert/strict";
import test from "node:test";

import { firstPlace, nameOf, placeByKey, stepByKey } from "../../attention_core/live/page/table.js";

/** @param {string} key @param {object} [more] */
const pressed = (key, more = {}) => ({ key, shiftKey: false, ctrlKey: false, altKey: false, metaKey: false, ...more });

const frame = {
  said: "", rows: ["noun", "link"], columns: ["thing", "living", "doing"],
  texts: [["1", "−3", ""], ["0.2", "0", "5"]], shares: [[0.2, -0.6, 0], [0.04, 0, 1]], marked: [], markedColumns: [],
};

test("plus and minus, the pages, and arrows with Shift change a cell by one", () => {
  for (const key of ["+", "=", "PageUp"]) assert.equal(stepByKey(pressed(key)), 1, key);
  for (const key of ["-", "−", "_", "PageDown"]) assert.equal(stepByKey(pressed(key)), -1, key);
  assert.equal(stepByKey(pressed("+", { shiftKey: true })), 1); // where + needs it
  assert.equal(stepByKey(pressed("ArrowUp", { shiftKey: true })), 1);
  assert.equal(stepByKey(pressed("ArrowDown", { shiftKey: true })), -1);
});

test("arrows alone, Tab and the zoom of the page change nothing", () => {
  for (const key of ["ArrowUp", "ArrowDown", "ArrowLeft", "Tab", "Escape", "a", "5"]) assert.equal(stepByKey(pressed(key)), 0, key);
  assert.equal(stepByKey(pressed("ArrowLeft", { shiftKey: true })), 0);
  assert.equal(stepByKey(pressed("+", { ctrlKey: true })), 0);
  assert.equal(stepByKey(pressed("-", { metaKey: true })), 0);
});

test("arrows, Home and End lead from cell to cell and stop at the edges", () => {
  const from = { row: 0, column: 1 };
  const to = (key, more) => placeByKey(frame, from, pressed(key, more));
  assert.deepEqual(to("ArrowDown"), { row: 1, column: 1 });
  assert.deepEqual(to("ArrowUp"), { row: 0, column: 1 });
  assert.deepEqual(to("ArrowRight"), { row: 0, column: 2 });
  assert.deepEqual(placeByKey(frame, { row: 1, column: 2 }, pressed("ArrowRight")), { row: 1, column: 2 });
  assert.deepEqual(to("Home"), { row: 0, column: 0 });
  assert.deepEqual(to("End", { ctrlKey: true }), { row: 1, column: 2 });
  assert.equal(to("Enter"), null);
});

test("a cell is called by its row, its column and its number", () => {
  assert.equal(nameOf(frame, { row: 0, column: 1 }), "noun, living: −3");
  assert.equal(nameOf(frame, { row: 0, column: 2 }), "noun, doing: empty");
});

test("the cursor starts at the largest number of what is marked, or of all", () => {
  assert.deepEqual(firstPlace(frame), { row: 1, column: 2 });
  assert.deepEqual(firstPlace({ ...frame, marked: [0] }), { row: 0, column: 1 });
});
