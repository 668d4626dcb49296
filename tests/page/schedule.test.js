// When things are drawn. The page's frames are stepped by hand.

import assert from "node:assert/strict";
import test from "node:test";

import { afterFrame, atOnce, inNextFrame } from "../../attention_core/live/page/schedule.js";
import { onPixels } from "../../attention_core/live/page/screen.js";

function screen() {
  const waiting = new Map();
  let id = 0;
  globalThis.requestAnimationFrame = (call) => { waiting.set(++id, call); return id; };
  globalThis.cancelAnimationFrame = (which) => waiting.delete(which);
  return () => { const now = [...waiting.values()]; waiting.clear(); now.forEach((call) => call()); };
}
const settled = () => new Promise((resolve) => setImmediate(resolve));

test("the first change is drawn at once, its followers together in the next frame", async () => {
  const frame = screen();
  let drawn = 0;
  const { changed } = atOnce(() => drawn++);
  changed();
  assert.equal(drawn, 0); // not before all that one message changes has been set
  await settled();
  assert.equal(drawn, 1);
  changed(); changed();
  await settled();
  assert.equal(drawn, 1);
  frame(); await settled();
  assert.equal(drawn, 2);
  frame(); frame(); await settled();
  assert.equal(drawn, 2);
  changed(); await settled();
  assert.equal(drawn, 3); // after a quiet frame, at once again
});

test("several changes of one message are drawn once", async () => {
  const frame = screen();
  let drawn = 0;
  const { changed } = atOnce(() => drawn++);
  changed(); changed(); changed();
  await settled();
  frame(); await settled();
  assert.equal(drawn, 1);
});

test("what waits for the next frame is drawn once in it, or not at all when it was stopped", () => {
  const frame = screen();
  let drawn = 0;
  const { soon, stop } = inNextFrame(() => drawn++);
  soon(); soon();
  assert.equal(drawn, 0);
  frame();
  assert.equal(drawn, 1);
  soon(); stop(); frame();
  assert.equal(drawn, 1);
});

test("each change of the screen is heard, once, until it is listened to no more", () => {
  /** @type {Map<string, Set<() => void>>} */
  const heard = new Map();
  globalThis.matchMedia = (query) => ({
    addEventListener: (_, call) => heard.set(query, (heard.get(query) ?? new Set()).add(call)),
    removeEventListener: (_, call) => heard.get(query).delete(call),
  });
  const move = (to) => {
    const calls = [...heard.get(`(resolution: ${globalThis.devicePixelRatio}dppx)`)];
    heard.clear();
    globalThis.devicePixelRatio = to;
    for (const call of calls) call();
  };
  globalThis.devicePixelRatio = 1;
  let changes = 0;
  const end = onPixels(() => changes++);
  for (const to of [2, 1.5, 1]) move(to);
  assert.equal(changes, 3);
  end();
  assert.deepEqual([...heard.values()].map((calls) => calls.size), [0]);
});

test("what comes after a frame comes once, and where no frame is drawn all the same", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const frame = screen();
  let ran = 0;
  afterFrame(() => ran++);
  frame();
  assert.equal(ran, 0); // the frame has begun
  t.mock.timers.tick(1);
  assert.equal(ran, 1);
  t.mock.timers.tick(1000);
  assert.equal(ran, 1);
  afterFrame(() => ran++);
  t.mock.timers.tick(1000);
  assert.equal(ran, 2); // a page that is hidden
  frame(); t.mock.timers.tick(1);
  assert.equal(ran, 2);
});
