/** The views with a slider: depth profiles. */

import { html } from "./dom.js";
import { createLegend } from "./profile_legend.js";
import { createProfileChart } from "./profile_chart.js";
import { inWords } from "./numbers.js";
import { scaleOf, sides } from "./state.js";

const SIDES = ["weight", "gradient"];

/**
 * The depth profile of one statistic, with a legend.
 *
 * @param {Actions} actions
 * @returns {View}
 *
 * @typedef {object} Actions
 * @property {(wanted: object) => void} choose changes the state, see state.js
 * @property {(wanted: object) => void} open the same, and scrolls to the layer
 * @property {(point: ?object) => void} read shows a point's value in words
 *
 * @typedef {object} View
 * @property {HTMLElement} element
 * @property {(context: Context) => void} update
 *
 * @typedef {object} Context
 * @property {object} shown see state.js; `catalog` likewise
 * @property {(statistic: string) => Series[]} series of the shown runs
 * @property {number} step
 * @property {boolean} dark
 */
export function createProfileView({ open, read }) {
  const none = html("p", { class: "notice", role: "status" });
  const chart = createProfileChart({
    onPick: ({ layer }) => open({ layer }),
    onHover: read,
  });
  const legend = createLegend();
  const element = html("div", {}, none, legend.element, chart.element);
  const update = ({ shown, catalog, series, step }) => {
    const found = series(shown.statistic);
    none.hidden = found.length > 0;
    chart.element.hidden = found.length === 0;
    none.textContent =
      shown.runs.length === 0
        ? "No run is chosen."
        : "No chosen run has this statistic in a matching layer.";
    chart.update({
      series: found,
      scale: scaleOf(shown.statistic, shown, catalog),
      step,
      layer: shown.layer,
      lines: shown.lines,
      title: `${inWords(shown.statistic)} over the depth of the network`,
    });
    legend.update(found);
  };
  return { element, update };
}

/**
 * The depth profiles of one measure, of weights and gradients side by side.
 * @param {Actions} actions
 * @returns {View}
 */
export function createWeightsGradientsView({ open, read }) {
  const panels = SIDES.map((side) => {
    const title = html("h2");
    const chart = createProfileChart({
      onPick: ({ layer }) => open({ layer, side }),
      onHover: read,
    });
    return { title, chart, element: html("figure", {}, title, chart.element) };
  });
  const none = html("p", { class: "notice" });
  none.textContent =
    "There is no measure of both weights and gradients. Record one with " +
    "LayerStatsCallback's `statistics`.";
  const legend = createLegend();
  const pair = html("div", { class: "pair" }, ...panels.map((panel) => panel.element));
  const element = html("div", {}, none, legend.element, pair);
  const update = ({ shown, catalog, series, step }) => {
    const keys = sides(shown.measure);
    none.hidden = keys.length > 0;
    pair.hidden = keys.length === 0;
    for (const [i, key] of keys.entries()) {
      panels[i].title.textContent = inWords(key);
      panels[i].chart.update({
        series: series(key),
        scale: scaleOf(key, shown, catalog),
        step,
        layer: shown.side === SIDES[i] ? shown.layer : null,
        lines: shown.lines,
        title: `${inWords(key)} over the depth of the network`,
      });
    }
    legend.update(keys.flatMap(series));
  };
  return { element, update };
}
