import assert from "node:assert/strict";
import test from "node:test";

import { bytes, floats } from "../../attention_core/live/page/bytes.js";
import { alike, at, largestCell, mayLook, NOTHING, readFrame, rowOf, rowScale, SAME, sumOf } from "../../attention_core/live/page/frame.js";
import { float32, mask, sent } from "./frames.js";

test("bytes are read where they lie, and copied only where they must", () => {
  const aligned = float32([1, 2.5], 8);
  assert.deepEqual([...floats(aligned)], [1, 2.5]);
  assert.equal(floats(aligned).buffer, aligned.buffer);
  assert.deepEqual([...floats(float32([1, 2.5], 3))], [1, 2.5]);
  assert.deepEqual([...bytes(new DataView(Uint8Array.of(9, 1, 0, 9).buffer, 1, 2))], [1, 0]);
});

test("frames that show the same are alike, and nothing else is", () => {
  const frame = () => ({ ...sent([[0.25, 0.75]]), allowed: mask([true, false]), said: ["a", null], n: 1 });
  assert.ok(alike(frame(), frame()));
  for (const other of [
    { ...frame(), weights: float32([0.25, 0.5]) }, { ...frame(), weights: float32([0.25]) },
    { ...frame(), allowed: mask([true, true]) }, { ...frame(), allowed: null }, { ...frame(), said: ["a", "b"] },
    { ...frame(), said: ["a"] }, { ...frame(), n: 2 }, { ...frame(), more: 1 }, {}, null,
  ]) {
    assert.ok(!alike(frame(), other));
    assert.ok(!alike(other, frame()));
  }
});

test("a frame without a cell is nothing", () => {
  assert.equal(readFrame({}), NOTHING);
  assert.equal(readFrame(sent([[]])), NOTHING);
  assert.equal(readFrame({ ...sent([[1]]), shape: [2, 0, 3] }), NOTHING);
});

test("cells, rows and the mask are found by head, row and column", () => {
  const frame = readFrame({ ...sent([[1, 2], [3, 4], [5, 6], [7, 8]]), shape: [2, 2, 2], allowed: mask(Array(8).fill(true).fill(false, 5, 6)) });
  assert.equal(frame.weights[at(frame, { head: 1, row: 0, column: 1 })], 6);
  assert.deepEqual([...rowOf(frame, 1, 1)], [7, 8]);
  assert.equal(sumOf(rowOf(frame, 1, 1)), 15);
  assert.ok(!mayLook(frame, { head: 1, row: 0, column: 1 }) && mayLook(frame, { head: 1, row: 0, column: 0 }));
  assert.ok(mayLook(readFrame(sent([[0]])), { head: 0, row: 0, column: 0 }));
});

test("the largest cell is the first of those that rounding cannot tell apart", () => {
  const largest = (rows) => { const { row, column } = largestCell(readFrame(sent(rows))); return [row, column]; };
  assert.deepEqual(largest([[0.1, 0.5], [0.5 + SAME / 2, 0]]), [0, 1]);
  assert.deepEqual(largest([[0.1, 0.5], [0.5 + 2 * SAME, 0]]), [1, 0]);
  assert.deepEqual(largest([[NaN, 0.2], [0.3, NaN]]), [1, 0]);
  assert.deepEqual(largest([[NaN, NaN]]), [0, 0]);
  assert.deepEqual(largest([[1, Infinity]]), [0, 1]);
  assert.deepEqual(largest([[-3, -2]]), [0, 0]);
});

test("a row's own scale is its largest weight, whatever the row holds", () => {
  const scale = (row, own = true) => rowScale(readFrame(sent([row])), own, 0, 0);
  assert.equal(scale([0.25, 0.5]), 0.5);
  assert.equal(scale([0.25, 0.5], false), 1);
  assert.equal(scale([NaN, 0.5]), 0.5);
  assert.ok(scale([0, -1]) > 0);
  assert.equal(1 / (Infinity / scale([1, Infinity])), 0); // still ∞, so that it has the last colour
});
