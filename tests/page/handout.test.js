// A page without a kernel: models that speak to each other, and what comes of a move by the record.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Alone, keepAlike } from "../../attention_core/live/page/alone.js";
import { isAnswered } from "../../attention_core/live/page/handout.js";
import { inFull, inflated, readRecord } from "../../attention_core/live/page/packed.js";
import { BACK, makeAnswers, NOBODY } from "../../attention_core/live/page/recorded.js";

/** @param {Record<string, object>} states @param {(model: any, content: object) => void} [sent] */
function modelsOf(states, sent = () => {}) {
  const models = new Map();
  const others = { get_model: async (/** @type {string} */ id) => models.get(id) };
  for (const [id, state] of Object.entries(states)) models.set(id, new Alone(id, { ...state }, others, sent));
  return models;
}

test("a model tells of a change once all of it is there, and of nothing that is as it was", () => {
  const model = modelsOf({ a: { x: 1, list: [1, { y: 2 }], bytes: new DataView(new ArrayBuffer(4)) } }).get("a");
  const heard = [];
  model.on("change:x change:list", () => heard.push([model.get("x"), model.get("z")]));
  model.on("change", () => heard.push("change"));
  model.set_state({ x: 2, z: 3, list: [1, { y: 2 }], bytes: new DataView(new ArrayBuffer(4)) });
  assert.deepEqual(heard, [[2, 3], "change"]);
  model.set("x", 2);
  assert.equal(heard.length, 2);
  const late = () => heard.push("late");
  model.on("change:x", late);
  model.off("change:x", late);
  model.set("x", 5);
  assert.deepEqual(heard.slice(2), [[5, 3], "change"]);
});

test("what is sent and what is asked for of others", async () => {
  const told = [];
  const models = modelsOf({ a: {}, b: {} }, (model, content) => told.push([model.id, content]));
  models.get("a").send({ save: "png" });
  assert.deepEqual(told, [["a", { save: "png" }]]);
  assert.equal(await models.get("a").widget_manager.get_model("b"), models.get("b"));
});

test("a link keeps two traits alike, both ways", () => {
  const models = modelsOf({
    a: { value: 1 }, b: { at: 1 }, link: { source: ["IPY_MODEL_a", "value"], target: ["IPY_MODEL_b", "at"] },
  });
  keepAlike(models, models.get("link"));
  models.get("a").set("value", 3);
  assert.equal(models.get("b").get("at"), 3);
  models.get("b").set("at", 4);
  assert.equal(models.get("a").get("value"), 4);
});

// ---- the record

test("8 bits a weight: a number a row, and roots", () => {
  const raw = new DataView(new ArrayBuffer(2 * 4 + 6));
  raw.setFloat32(0, 0.25, true);
  raw.setFloat32(4, 0.5, true);
  [0, 1, 2, 3, 0, 255].forEach((root, i) => raw.setUint8(8 + i, root));
  const view = inFull(raw, { bits: 8, columns: 3 });
  assert.deepEqual([...new Float32Array(view.buffer)], [0, 0.25, 1, 4.5, 0, 0.5 * 255 ** 2]);
  assert.equal(inFull(raw, {}), raw);
});

test("16 bits a number: the least, and steps above it", () => {
  const raw = new DataView(new ArrayBuffer(8 + 4));
  raw.setFloat32(0, -2, true);
  raw.setFloat32(4, 0.5, true);
  raw.setUint16(8, 3, true);
  raw.setUint16(10, 65535, true);
  assert.deepEqual([...new Float32Array(inFull(raw, { bits: 16 }).buffer)], [-0.5, -2 + 0.5 * 65535]);
});

test("a record is inflated and read, with its bytes, texts and numbers", async () => {
  const head = new TextEncoder().encode(JSON.stringify({
    models: { a: 1 }, explorers: [], frames: [{}], texts: ["long"], bytes: [2, 3],
  }));
  const raw = new Uint8Array(4 + head.length + 5);
  new DataView(raw.buffer).setUint32(0, head.length, true);
  raw.set(head, 4);
  raw.set([1, 2, 3, 4, 5], 4 + head.length);
  const deflated = new Response(new Blob([raw]).stream().pipeThrough(new CompressionStream("deflate")));
  const text = Buffer.from(await deflated.arrayBuffer()).toString("base64");
  const { models, frames, filled } = readRecord(await inflated(`\n${text}\n`));
  assert.deepEqual([models, frames], [{ a: 1 }, [{}]]);
  const thing = filled({
    list: [{ $text: 0 }, null, "x"], view: { $bytes: 1 }, far: { $number: "-Infinity" }, none: { $number: "nan" },
    reading: { number: "shade", text: 1 },
  });
  assert.deepEqual(thing.list, ["long", null, "x"]);
  const { buffer, byteOffset, byteLength } = thing.view;
  assert.deepEqual([...new Uint8Array(buffer, byteOffset, byteLength)], [3, 4, 5]);
  assert.equal(thing.far, -Infinity);
  assert.ok(Number.isNaN(thing.none));
  assert.deepEqual(thing.reading, { number: "shade", text: 1 });
});

// ---- what comes of a move

/** Two sliders recorded together, a third alone, a fourth that moves what the first does, a text of which nothing is known. */
function page() {
  const models = modelsOf({
    one: { value: 0 }, two: { value: 0 }, three: { value: 0 }, flag: { at: 0 }, text: { value: "a" },
    view: { frame: "home", pinned: [] },
  });
  const frames = [
    {}, { one: { value: 1 }, flag: { at: 1 }, view: { frame: "1 0" } }, { two: { value: 1 }, view: { frame: "0 1" } },
    { one: { value: 1 }, flag: { at: 1 }, two: { value: 1 }, view: { frame: "1 1" } },
    { three: { value: 1 }, view: { frame: "three" } }, { view: { frame: "chosen" } }, { two: { value: 1 }, view: { frame: "chosen, 1" } },
    { flag: { at: 2 }, three: { value: 5 }, view: { frame: "three gave way" } },
  ];
  const moves = {
    model: "", bank: "", changed: { view: ["frame"], flag: ["at"] },
    dials: [["one", "value", ["x"]], ["two", "value", ["y"]], ["three", "value", ["z"]], ["flag", "at", ["x"]], ["text", "value", ["t"]]],
    sets: [
      { dials: [0, 1], steps: [[[0, 0], 0], [[1, 0], 1], [[0, 1], 2], [[1, 1], 3]] },
      { dials: [0], steps: [[[0], 0], [[1], 1]] }, { dials: [1], steps: [[[0], 0], [[1], 2]] },
      { dials: [2], steps: [[[0], 0], [[1], 4]] }, { dials: [3], steps: [[[0], 0], [[1], 1], [[2], 7]] },
    ],
    wishes: { dials: [1], told: [["view", [0], { chosen: 2 }, 5], ["view", [1], { chosen: 2 }, 6], ["view", [0], { chosen: 3 }, 5]] },
  };
  const said = [];
  const answers = makeAnswers({ moves, models, frame: (n) => frames[n], say: (words) => said.push(words), soon: queueMicrotask });
  const set = async (/** @type {string} */ id, /** @type {any} */ value) => { models.get(id).set(id === "flag" ? "at" : "value", value); await null; };
  const shows = () => [...["one", "two", "three"].map((id) => models.get(id).get("value")), models.get("flag").get("at"), models.get("view").get("frame")];
  return { models, answers, set, shows, said };
}

test("controls that are recorded together move together, and back", async () => {
  const { set, shows, said } = page();
  await set("one", 1);
  assert.deepEqual(shows(), [1, 0, 0, 1, "1 0"]);
  await set("two", 1);
  assert.deepEqual(shows(), [1, 1, 0, 1, "1 1"]);
  await set("one", 0);
  await set("two", 0);
  assert.deepEqual(shows(), [0, 0, 0, 0, "home"]);
  assert.ok(said.every((words) => words === ""));
});

test("a control that is not in the set goes back, and a word says so until another is moved", async () => {
  const { set, shows, said } = page();
  await set("one", 1);
  await set("three", 1);
  assert.deepEqual(shows(), [0, 0, 1, 0, "three"]);
  assert.equal(said.at(-1), BACK);
  await set("three", 0);
  assert.equal(said.at(-1), BACK);
  await set("two", 1);
  assert.equal(said.at(-1), "");
  assert.deepEqual(shows(), [0, 1, 0, 0, "0 1"]);
});

test("two controls of one input follow each other, and nothing is said", async () => {
  const { set, shows, said } = page();
  await set("flag", 1);
  assert.deepEqual(shows(), [1, 0, 0, 1, "1 0"]);
  await set("one", 0);
  assert.deepEqual(shows(), [0, 0, 0, 0, "home"]);
  assert.ok(said.every((words) => words === ""));
});

test("two that are set by one press are answered once", async () => {
  const { models, set, shows } = page();
  await set("three", 1);
  models.get("three").set("value", 0);
  models.get("one").set("value", 1);
  await null;
  assert.deepEqual(shows(), [1, 0, 0, 1, "1 0"]);
});

test("two of different sets at once are no place that is known", async () => {
  const { models, shows, said } = page();
  models.get("three").set("value", 1);
  models.get("one").set("value", 1);
  await null;
  assert.deepEqual(shows(), [0, 0, 0, 0, "home"]);
  assert.equal(said.at(-1), NOBODY);
});

test("of what gives way to a move nothing is said", async () => {
  const { set, shows, said } = page();
  await set("flag", 2);
  assert.deepEqual(shows(), [0, 0, 5, 2, "three gave way"]);
  assert.equal(said.at(-1), "");
});

test("what nobody recorded goes back to what is shown, and a word says why", async () => {
  const { models, set, shows, said } = page();
  await set("one", 1);
  await set("text", "b");
  assert.equal(said.at(-1), NOBODY);
  assert.equal(models.get("text").get("value"), "a");
  assert.deepEqual(shows(), [1, 0, 0, 1, "1 0"]);
  await set("two", 7);
  assert.deepEqual(shows(), [1, 0, 0, 1, "1 0"]);
});

test("what the reader alone sets stays", async () => {
  const { models, set } = page();
  models.get("view").set("pinned", [3]);
  await set("one", 1);
  assert.deepEqual(models.get("view").get("pinned"), [3]);
});

test("a wish is answered where the others stand, or from home", async () => {
  const { answers, set, shows, said } = page();
  assert.equal(answers.wish("view", { chosen: 2 }), true);
  assert.deepEqual(shows(), [0, 0, 0, 0, "chosen"]);
  await set("two", 1);
  answers.wish("view", { chosen: 2 });
  assert.deepEqual(shows(), [0, 1, 0, 0, "chosen, 1"]);
  assert.equal(said.at(-1), "");
  await set("three", 1);
  answers.wish("view", { chosen: 2 });
  assert.deepEqual(shows(), [0, 0, 0, 0, "chosen"]);
  assert.equal(said.at(-1), BACK);
  await set("two", 1);
  answers.wish("view", { chosen: 3 });
  assert.deepEqual(shows(), [0, 0, 0, 0, "chosen"]);
  assert.equal(said.at(-1), BACK);
  await set("one", 1);
  await set("two", 1);
  answers.wish("view", { chosen: 2 });
  assert.deepEqual(shows(), [0, 1, 0, 0, "chosen, 1"]);
  assert.equal(said.at(-1), BACK);
  answers.wish("view", { painted: [[0, 0]] });
  assert.equal(said.at(-1), NOBODY);
  assert.equal(answers.wish("elsewhere", { chosen: 2 }), false);
});

test("what is recorded of a control", () => {
  const { answers } = page();
  assert.deepEqual(["one", "flag", "text"].map(answers.moves), [true, true, false]);
});

test("a control of which nothing is recorded is not offered; a player that moves one that is, is", () => {
  const models = modelsOf({
    slider: { value: 0 }, player: { value: 0 }, menu: { index: 0 },
    link: { _model_name: "LinkModel", source: ["IPY_MODEL_player", "value"], target: ["IPY_MODEL_slider", "value"] },
  });
  const answers = [{ moves: (/** @type {string} */ id) => id === "slider" }];
  const offered = [...models.values()].filter((model) => isAnswered(models, answers, model)).map(({ id }) => id);
  assert.deepEqual(offered, ["slider", "player"]);
});
