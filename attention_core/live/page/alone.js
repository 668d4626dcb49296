// Models of widgets on a page without a kernel: they speak as ipywidgets' do, to each other alone.

import { alike } from "./frame.js";

/** @typedef {(...told: any[]) => void} Heard */

export class Alone {
  /**
   * @param {string} id @param {Record<string, any>} state
   * @param {{ get_model: (id: string) => Promise<Alone> }} others
   * @param {(model: Alone, content: object) => void} sent to the kernel that there is not
   */
  constructor(id, state, others, sent) {
    this.id = id;
    this.widget_manager = others;
    /** @type {Record<string, any>} */
    this.state = state;
    this.sent = sent;
    /** @type {Map<string, Set<Heard>>} */
    this.heard = new Map();
  }

  /** @param {string} name @returns {any} */
  get(name) { return this.state[name]; }

  /** @param {string} name @param {any} value */
  set(name, value) { this.set_state({ [name]: value }); }

  /**
   * All of it is there before anybody hears of it.
   * @param {Record<string, any>} state
   */
  set_state(state) {
    const changed = Object.keys(state).filter((name) => !alike(this.state[name], state[name]));
    Object.assign(this.state, state);
    for (const name of changed) this.tell(`change:${name}`, this, state[name]);
    if (changed.length) this.tell("change", this);
  }

  save_changes() {} // nobody else is to hear of it

  /** @param {object} content */
  send(content) { this.sent(this, content); }

  /** @param {string} events @param {Heard} heard */
  on(events, heard) {
    for (const event of events.split(" ")) this.heard.set(event, (this.heard.get(event) ?? new Set()).add(heard));
  }

  /** @param {string} events @param {Heard} heard */
  off(events, heard) {
    for (const event of events.split(" ")) this.heard.get(event)?.delete(heard);
  }

  /** @param {string} event @param {any[]} what */
  tell(event, ...what) {
    for (const heard of [...(this.heard.get(event) ?? [])]) heard(...what);
  }
}

/** @typedef {Map<string, Alone>} Models by their ids */

const REFERS = "IPY_MODEL_";

/**
 * The model to which a state refers.
 * @param {Models} models @param {unknown} reference
 */
export const referred = (models, reference) => models.get(String(reference).replace(REFERS, ""));

/**
 * Two traits that a page keeps alike, as `jslink` does.
 * @param {Models} models @param {Alone} link
 */
export function keepAlike(models, link) {
  const ends = endsOf(models, link);
  ends.forEach((from, i) => {
    const to = ends[1 - i];
    from.model?.on(`change:${from.trait}`, () => to.model?.set(to.trait, from.model?.get(from.trait)));
  });
}

/**
 * Those with which links keep a model alike.
 * @param {Models} models @param {Alone} model @returns {Alone[]}
 */
export function alikeTo(models, model) {
  const links = [...models.values()].filter((one) => one.get("_model_name") === "LinkModel");
  const linked = links.map((link) => endsOf(models, link).flatMap((end) => end.model ?? []));
  return linked.filter((ends) => ends.includes(model)).flat();
}

/** @param {Models} models @param {Alone} link */
const endsOf = (models, link) =>
  [link.get("source"), link.get("target")].map(([model, trait]) => ({ model: referred(models, model), trait }));
