// The widget's model, as anywidget hands it to a view.

/**
 * @template {object} State
 * @typedef {object} Model
 * @property {<Name extends keyof State>(name: Name) => State[Name]} get
 * @property {<Name extends keyof State>(name: Name, value: State[Name]) => void} set
 * @property {() => void} save_changes
 * @property {(content: object) => void} send
 * @property {(events: string, heard: (...told: any[]) => void) => void} on
 * @property {(events: string, heard: (...told: any[]) => void) => void} off
 * @property {{ kernel?: any, get_model?: (id: string) => Promise<any> }} [widget_manager] JupyterLab's own
 */

/**
 * Calls back when one of these traits changes; returns what ends it.
 * @template {object} State
 * @param {Model<State>} model @param {(keyof State & string)[]} names @param {() => void} changed
 */
export function onChange(model, names, changed) {
  for (const name of names) model.on(`change:${name}`, changed);
  return () => { for (const name of names) model.off(`change:${name}`, changed); };
}
