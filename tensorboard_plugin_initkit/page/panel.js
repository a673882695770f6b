/** The controls beside the charts: those that the view has. */

import {
  createRunPicker,
  createSelect,
  runOptions,
  statisticOptions,
} from "./controls.js";
import { html } from "./dom.js";

// The fields of what is shown, see state.js: their ids, labels and views.
const FIELDS = {
  statistic: ["statistic", "Statistic", ["profile", "heatmap", "compare"]],
  measure: ["measure", "Measure", ["weights_gradients"]],
  run: ["run", "Run", ["heatmap"]],
  a: ["run-a", "Run A", ["compare"]],
  b: ["run-b", "Run B", ["compare"]],
};

/** Whether a view has lines of several runs, at a step. */
export function hasLines(view) {
  return view === "profile" || view === "weights_gradients";
}

/**
 * @param {(wanted: object) => void} choose changes what is shown, see state.js
 * @returns {{element: HTMLElement, update: function(object, object)}} `update` takes
 *   what is shown, and the catalog
 */
export function createPanel(choose) {
  const selects = Object.entries(FIELDS).map(([name, [id, label]]) => [
    name,
    createSelect(id, label, (value) => choose({ [name]: value })),
  ]);
  const picker = createRunPicker(choose);
  const element = html(
    "aside",
    { class: "controls", "aria-label": "What is shown" },
    ...selects.map(([, select]) => select.element),
    picker.element,
  );
  const update = (shown, catalog) => {
    const options = {
      statistic: statisticOptions(catalog.keys),
      measure: statisticOptions(catalog.measures),
    };
    const runs = runOptions(catalog.readable);
    for (const [name, select] of selects) {
      select.element.hidden = !FIELDS[name][2].includes(shown.view);
      select.update(options[name] ?? runs, shown[name]);
    }
    picker.element.hidden = !hasLines(shown.view);
    picker.update(catalog, shown.runs);
  };
  return { element, update };
}
