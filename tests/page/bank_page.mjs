// The page of one explorer, without a page: real bank.js between models that speak as ipywidgets' do. Python
// drives it: a line of JSON comes in for each thing that happens, and one goes out with what is shown then.

import { createInterface } from "node:readline";

const { listen, makeBank } = await import(process.argv[2]);

/** A widget's model: changes by the reader wait while one is on its way, as ipywidgets throttles them. */
class Model {
  constructor(id, state) {
    Object.assign(this, { id, state, heard: {}, waiting: false, unsaved: null, kept: null, expected: {} });
  }
  get(name) { return this.state[name]; }
  on(event, call) { (this.heard[event] ??= []).push(call); }
  off() {}
  change(state) {
    const changed = Object.keys(state).filter((name) => JSON.stringify(this.state[name]) !== JSON.stringify(state[name]));
    Object.assign(this.state, state);
    for (const name of changed) for (const call of this.heard[`change:${name}`] ?? []) call();
    if (changed.length) for (const call of this.heard.change ?? []) call();
  }
  set_state(state) { this.change(state); }
  byHand(state) {
    const news = Object.entries(state).filter(([name, x]) => JSON.stringify(this.state[name]) !== JSON.stringify(x));
    this.change(state);
    this.unsaved = { ...this.unsaved, ...Object.fromEntries(news) };
    this.save_changes();
  }
  save_changes() {
    const state = this.unsaved;
    this.unsaved = null;
    if (!state || !Object.keys(state).length) return; // nothing is new
    if (this.waiting) this.kept = { ...this.kept, ...state };
    else this.tell(state);
  }
  tell(state) {
    this.waiting = true;
    sent.push({ id: this.id, state, msg: ++serial });
    for (const name of Object.keys(state)) this.expected[name] = serial;
  }
  idle() {
    this.waiting = false;
    if (this.kept) this.tell(this.kept);
    this.kept = null;
  }
  echo(state, parent) { // Python has heard what was sent; what is older than the newest is passed over
    const news = Object.keys(state).filter((name) => {
      if (!(name in this.expected)) return true;
      if (this.expected[name] !== parent) return false;
      delete this.expected[name];
      return !(this.kept && name in this.kept);
    });
    this.change(Object.fromEntries(news.map((name) => [name, state[name]])));
  }
}

let sent = [];
let micro = [];
let timers = [];
let frames = []; // what waits for the next one
let time = 0;
let serial = 0;
let models = {};
let bank;
let bankId;

function open({ dials, views, states, id }) {
  models = Object.fromEntries(Object.entries(states).map(([of, state]) => [of, new Model(of, state)]));
  [sent, micro, timers, frames, time, bankId] = [[], [], [], [], 0, id];
  const named = Object.fromEntries(Object.entries(views).map(([name, of]) => [name, models[of]]));
  const turned = dials.map(([of, trait, hasSteps, moves]) => ({ model: models[of], trait, hasSteps, moves }));
  bank = makeBank({
    dials: turned, views: named, answer: () => models[id].get("_answer"), gone: () => false, say: () => {},
    ask: (wish) => sent.push({ id, custom: JSON.parse(JSON.stringify(wish)), msg: ++serial }), soon: (run) => micro.push(run),
    later: (run, ms) => { timers.push({ at: time + ms, run, serial: ++serial }); return serial; },
    never: (which) => { timers = timers.filter((timer) => timer.serial !== which); },
  });
  models[id].on("change:_answer", bank.answered);
  listen(bank, turned, (run) => frames.push(run));
  for (const view of Object.values(named)) view.on("change", bank.changed);
  bank.want();
}

const does = {
  open,
  update: ({ id, state }) => models[id].change(state),
  echo_update: ({ id, state, parent }) => models[id].echo(state, parent),
  idle: ({ id }) => models[id].idle(),
  custom: ({ content }) => bank.told(content),
  move: ({ id, state }) => models[id].byHand(state),
  tick: ({ ms }) => {
    time += ms;
    while (frames.length) frames.shift()();
    for (const timer of timers.filter(({ at }) => at <= time)) {
      if (!timers.includes(timer)) continue;
      timers = timers.filter((other) => other !== timer);
      timer.run();
    }
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  sent = [];
  const events = JSON.parse(line);
  for (const event of events) {
    does[event.do](event);
    while (micro.length) micro.shift()();
  }
  const shown = Object.fromEntries(Object.entries(models).map(([id, model]) => [id, model.state]));
  console.log(JSON.stringify({ sent, shown }));
}
