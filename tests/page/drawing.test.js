// What is drawn where: colours, sizes, keys, curves, clocks, names in a plane. All of it without a page.

import assert from "node:assert/strict";
import test from "node:test";

import { measure as measureClocks, positionByKey } from "../../attention_core/live/page/clocks.js";
import { NOT_A_NUMBER, readPalette, shade } from "../../attention_core/live/page/colour.js";
import { nearest, pathOf } from "../../attention_core/live/page/curves.js";
import { pairByKey, turn } from "../../attention_core/live/page/dials.js";
import { readFrame } from "../../attention_core/live/page/frame.js";
import { cellByKey } from "../../attention_core/live/page/grid.js";
import { showOutline, showSums } from "../../attention_core/live/page/head.js";
import { measure, thinned } from "../../attention_core/live/page/layout.js";
import { fill } from "../../attention_core/live/page/paint.js";
import { nameSides } from "../../attention_core/live/page/plane.js";
import { stateOf } from "../../attention_core/live/page/prediction.js";
import { choiceInWords, paceInWords } from "../../attention_core/live/page/training.js";
import { mask, sent } from "./frames.js";

test("a palette is read as ImageData and CSS want it", () => {
  const bytes = Uint8Array.from({ length: 1024 }, (_, i) => (i % 4 === 3 ? Number(i > 512) : i % 251));
  const { packed, ink, gradient } = readPalette(new DataView(bytes.buffer));
  assert.deepEqual([...new Uint8Array(packed.slice(1, 2).buffer)], [4, 5, 6, 255]);
  assert.deepEqual([ink[0], ink[127], ink[128], ink[255]], [0, 0, 1, 1]);
  assert.match(gradient, /^linear-gradient\(90deg, rgb\(0 1 2\), rgb\(64 65 66\)/);
  assert.deepEqual([-1, 0, 0.5, 1, 2, NaN].map(shade), [0, 0, 127, 255, 255, 0]);
});

test("where cells are smaller than pixels, a block shows its largest weight", () => {
  const palette = { packed: Uint32Array.from({ length: 256 }, (_, i) => 1000 + i) };
  const painted = (rows, more = {}, perRow = false) => {
    const frame = readFrame(sent(rows, more));
    const columns = Math.ceil(frame.columns / 2);
    const [pixels, masked] = [new Uint32Array(columns), frame.allowed && new Uint32Array(columns)];
    fill(pixels, masked, frame, 0, { stepR: rows.length, stepC: 2, columns }, { palette, perRow });
    return [[...pixels], masked && [...masked]];
  };
  assert.deepEqual(painted([[0, 0.2, 0, 0], [1, 0, 0, 0]])[0], [1255, 1000]);
  assert.deepEqual(painted([[0.1, 0.2, 0.2, 0.1]], {}, true)[0], [1255, 1255]);
  assert.deepEqual(painted([[0.5, NaN, 0, 0]])[0], [NOT_A_NUMBER, 1000]);
  assert.deepEqual(painted([[1, 1, 0, 1]], { allowed: mask([false, false, true, false]) }), [[0, 1000], [0xff000000, 0]]);
  assert.deepEqual(painted([[1, 1, 1, 1]], { allowed: mask([2, 2, 2, 0]) }), [[0, 0], [0, 0xff000000]]); // blank is nothing at all
});

test("a part is outlined, as far as the map goes; what is blank has a frame, and no sum", () => {
  const rows = [[0.5, 0.25, 0], [0, 0, 0]];
  const outlined = (part, more = {}) => {
    const framed = { on: null };
    const set = [];
    const outline = { style: { setProperty: (_, length) => set.push(length) }, parentElement: { classList: { toggle: (_, on) => { framed.on = on; } } } };
    showOutline({ size: { x: 10, y: 20 }, outline }, readFrame(sent(rows, more)), part);
    return [outline.hidden ? null : set.join(" "), framed.on];
  };
  assert.deepEqual(outlined([[0, 1], [1, 3]]), ["10px 0px 20px 20px", false]);
  assert.deepEqual(outlined([[1, 9], [2, 9]]), ["20px 20px 10px 20px", false]);
  for (const none of [[], [[1, 1], [0, 1]], [[4, 6], [0, 1]]]) assert.deepEqual(outlined(none), [null, false]);
  const allowed = mask([1, 1, 2, 2, 2, 2]);
  assert.deepEqual(outlined([], { allowed }), [null, true]);
  const sums = { rows: [{}, {}], columns: [{}, {}, {}] };
  showSums({ head: 0, sums }, readFrame(sent(rows, { allowed })));
  assert.deepEqual([...sums.rows, ...sums.columns].map((node) => node.textContent), ["0.75", "", "0.50", "0.25", ""]);
});

test("a map fits into its room", () => {
  const frame = readFrame(sent(Array(10).fill(Array(10).fill(0.1))));
  for (const projector of [false, true]) {
    for (const width of [0, 300, 700, 1400]) {
      const { x, y, left, width: across, zoom } = measure(frame, { width, projector });
      assert.ok(x === y && x > 0 && across === 10 * x && left + across <= (width || 800), `in ${width}`);
      assert.equal(zoom, projector ? 1.6 : 1);
    }
  }
  assert.equal(measure(frame, { width: 1400, projector: false, tallest: 270 }).height, 270);
  const keys = Array(9).fill("The train to Paris is late."); // the last one's slanted label leads out of the cells, not of the room
  const long = readFrame(sent(Array(9).fill(Array(9).fill(0.1)), { keys, queries: keys }));
  for (const width of [400, 524, 700]) {
    const { x, left, width: across, keyWidth } = measure(long, { width, projector: false });
    assert.ok(x > 20 && left + across - x / 2 + keyWidth * Math.cos(40 * Math.PI / 180) <= width, `in ${width}`);
  }
  assert.deepEqual(thinned(5, 14), [0, 1, 2, 3, 4]);
  assert.deepEqual(thinned(5, 6), [0, 3]);
});

test("keys lead from cell to cell, and not out of the map", () => {
  const frame = readFrame(sent(Array(30).fill(Array(20).fill(0))));
  const to = (key, ctrlKey = false, row = 5, column = 5) => {
    const cell = cellByKey({ frame, cursor: { head: 0, row, column }, pinned: [] }, 0, { key, ctrlKey });
    return cell && [cell.row, cell.column];
  };
  assert.deepEqual(["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"].map((key) => to(key)), [[4, 5], [6, 5], [5, 4], [5, 6]]);
  assert.deepEqual(["PageUp", "PageDown", "Home", "End"].map((key) => to(key)), [[0, 5], [15, 5], [5, 0], [5, 19]]);
  assert.deepEqual([to("Home", true), to("End", true)], [[0, 0], [29, 19]]);
  assert.deepEqual([to("ArrowUp", false, 0, 0), to("ArrowRight", false, 0, 19)], [[0, 0], [0, 19]]);
  assert.deepEqual([to("a"), to("Enter")], [null, null]);
});

test("keys of clocks and flags", () => {
  assert.deepEqual(["ArrowUp", "ArrowLeft", "ArrowDown", "ArrowRight", "Home", "End", "x"].map((key) => pairByKey(3, 7, key)), [2, 2, 4, 4, 0, 7, null]);
  assert.deepEqual([pairByKey(0, 7, "ArrowUp"), pairByKey(7, 7, "ArrowDown")], [0, 7]);
  const keys = ["ArrowLeft", "ArrowDown", "ArrowRight", "ArrowUp", "PageDown", "PageUp", "Home", "End", "x"];
  assert.deepEqual(keys.map((key) => positionByKey(20, 63, key)), [19, 19, 21, 21, 10, 30, 0, 63, null]);
});

test("the angle between two hands goes clockwise", () => {
  const [noon, three, nine] = [[0, 1], [1, 0], [-1, 0]];
  assert.ok(Math.abs(turn(noon, three) - Math.PI / 2) < 1e-12);
  assert.ok(Math.abs(turn(noon, nine) - 1.5 * Math.PI) < 1e-12);
  assert.equal(turn(three, three), 0);
});

test("clocks share a column where rows are thin", () => {
  assert.equal(measureClocks({ n: 64, dim: 8 }, 900).abreast, 1);
  assert.equal(measureClocks({ n: 64, dim: 64 }, 900).abreast, 5);
  assert.equal(measureClocks({ n: 64, dim: 64 }, 900).pitch * 64, measureClocks({ n: 8, dim: 64 }, 900).width);
});

test("a curve's pen is lifted over what is not finite", () => {
  const path = pathOf({ x: [0, 1, 2, 3, 4], y: [0, 1, NaN, Infinity, 2] }, (x) => 10 * x, (y) => -y);
  assert.equal(path, "M0.0 0.0L10.0 -1.0M40.0 -2.0");
  assert.deepEqual([nearest([0, 10, 20], 14), nearest([0, 10, 20], 15), nearest([0, 10], 99), nearest([], 1)], [1, 1, 1, 0]);
});

test("names in a plane make way", () => {
  const sides = nameSides([[0, 0], [0.1, 0.05], [1.5, 0], [0, -1]], 2);
  assert.deepEqual(sides.map(({ left, below }) => [left, below]), [[false, false], [false, true], [true, false], [false, false]]);
});

test("what becomes of an option", () => {
  const states = (chosen, answer) => [0, 1, 2].map((i) => stateOf({ chosen, answer }, i));
  assert.deepEqual(states(null, null), ["", "", ""]);
  assert.deepEqual(states(1, null), ["", "chosen", ""]);
  assert.deepEqual(states(1, 2), ["", "wrong", "right"]);
  assert.deepEqual(states(2, 2), ["", "", "right"]);
});

test("a training in words", () => {
  assert.equal(choiceInWords([0, 1], []), "layer 0, head 1");
  assert.equal(choiceInWords([0, null], [[0, null], [0, 1]]), "layer 0, all heads");
  assert.equal(choiceInWords([0, null], [[0, null], [1, 1]]), "layer 0");
  assert.equal(paceInWords({ rate: 0, running: true, left: null }), "");
  assert.equal(paceInWords({ rate: 3.14, running: true, left: 70 }), "3.1 steps a second · 1 min 10 s left");
  assert.equal(paceInWords({ rate: 31.4, running: false, left: 70 }), "31 steps a second");
});
