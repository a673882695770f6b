/** The controls of a view, beside its charts. */

import {
  createRunPicker,
  createSearch,
  createSelect,
  runOptions,
  statisticOptions,
} from "./controls.js";
import { html } from "./dom.js";

const WITH_LINES = ["profile", "weights_gradients"];
const WITH_COLOURS = ["heatmap", "compare"];

// The fields of the view's state, see state.js: their ids, labels and views.
const FIELDS = {
  statistic: ["statistic", "Statistic", ["profile", "heatmap", "compare"]],
  measure: ["measure", "Measure", ["weights_gradients"]],
  run: ["run", "Run", ["heatmap"]],
  a: ["run-a", "Run A", ["compare"]],
  b: ["run-b", "Run B", ["compare"]],
  axis: ["axis", "Value axis", WITH_LINES],
  lines: ["lines", "Lines", WITH_LINES],
  colours: ["colours", "Colors", WITH_COLOURS],
};
const OPTIONS = {
  axis: [
    ["usual", "usual"],
    ["log", "logarithmic"],
    ["symlog", "symmetric logarithmic"],
    ["linear", "linear"],
  ],
  lines: [
    ["network", "through all"],
    ["kind", "through each kind"],
  ],
  colours: [
    ["fixed", "the same in all runs"],
    ["data", "from the values shown"],
  ],
};

/** Tells whether a view has lines of several runs at one step. */
export function hasLines(view) {
  return WITH_LINES.includes(view);
}

/**
 * @param {(wanted: object) => void} choose changes what is shown, see state.js
 * @returns {{element: HTMLElement, update: function(object, object)}} `update` takes
 *   the view's state, and the catalog
 */
export function createPanel(choose) {
  const selects = Object.entries(FIELDS).map(([name, [id, label]]) => [
    name,
    createSelect(id, label, (value) => choose({ [name]: value })),
  ]);
  const picker = createRunPicker(choose);
  const filter = createSearch("layers", "Layers", "all, or block_*_a, dense", (value) =>
    choose({ layers: value }),
  );
  const element = html(
    "aside",
    { class: "controls", "aria-label": "What is shown" },
    ...selects.map(([, select]) => select.element),
    filter.element,
    picker.element,
  );
  const update = (shown, catalog) => {
    const options = {
      statistic: statisticOptions(catalog.keys),
      measure: statisticOptions(catalog.measures),
      ...OPTIONS,
    };
    const runs = runOptions(catalog.readable);
    for (const [name, select] of selects) {
      select.element.hidden = !FIELDS[name][2].includes(shown.view);
      select.update(options[name] ?? runs, shown[name]);
    }
    filter.update(shown.layers);
    picker.element.hidden = !hasLines(shown.view);
    picker.update(catalog, shown.runs);
  };
  return { element, update };
}
