/** The views that have a slider: depth profiles. */

import { html } from "./dom.js";
import { createLegend, inWordsOf } from "./profile_legend.js";
import { createProfileChart } from "./profile_chart.js";
import { inWords } from "./numbers.js";
import { sides } from "./state.js";
import { createVerdicts } from "./verdicts.js";

const SIDES = ["weight", "gradient"];

/**
 * The depth profile of one statistic, with a verdict and a legend.
 *
 * @param {Actions} actions
 * @returns {View}
 *
 * @typedef {object} Actions
 * @property {(wanted: object) => void} choose changes what is shown, see state.js
 * @property {(point: ?object) => void} read shows a point's value in words
 *
 * @typedef {object} View
 * @property {HTMLElement} element
 * @property {HTMLElement} [head] what belongs above the slider
 * @property {(context: Context) => void} update
 *
 * @typedef {object} Context
 * @property {object} shown see state.js; `catalog` likewise
 * @property {(statistic: string) => Series[]} series of the runs that are shown
 * @property {number} step
 * @property {boolean} dark
 * @property {boolean} isPlaying
 */
export function createProfileView({ choose, read }) {
  const verdicts = createVerdicts();
  const chart = createProfileChart({
    onPick: ({ layer, run }) => choose({ layer, band: run }),
    onHover: read,
  });
  const legend = createLegend(choose);
  const source = html("p", { class: "source" });
  const element = html("div", {}, legend.element, chart.element, source);
  const update = ({ shown, catalog, series, step, isPlaying }) => {
    const scale = catalog.scales[shown.statistic];
    const found = series(shown.statistic);
    const band = bandOf(found, shown);
    const otherwise =
      shown.runs.length === 0
        ? "No run is chosen."
        : "No chosen run has this statistic.";
    verdicts.update({ series: found, scale, step, isPlaying, otherwise });
    chart.element.hidden = found.length === 0;
    chart.update({
      series: found,
      scale,
      step,
      band,
      layer: shown.layer,
      title: `${inWords(shown.statistic)} over the depth of the network`,
    });
    const words = inWordsOf(scale.band, found);
    legend.update(found, band, words !== "");
    source.textContent = words && `Healthy band: ${words}.`;
  };
  return { head: verdicts.element, element, update };
}

/**
 * The depth profiles of one measure, of weights and gradients side by side.
 * @param {Actions} actions
 * @returns {View}
 */
export function createWeightsGradientsView({ choose, read }) {
  const panels = SIDES.map((side) => {
    const title = html("h2");
    const chart = createProfileChart({
      onPick: ({ layer, run }) => choose({ layer, band: run, side }),
      onHover: read,
    });
    return { title, chart, element: html("figure", {}, title, chart.element) };
  });
  const none = html("p", { class: "notice" });
  none.textContent =
    "No measure was recorded of both the weights and the gradients. " +
    "LayerStatsCallback's `statistics` says which are.";
  const legend = createLegend(choose);
  const pair = html("div", { class: "pair" }, ...panels.map((panel) => panel.element));
  const source = html("p", { class: "source" });
  const element = html("div", {}, none, legend.element, pair, source);
  const update = ({ shown, catalog, series, step }) => {
    const keys = sides(shown.measure);
    none.hidden = keys.length > 0;
    pair.hidden = keys.length === 0;
    for (const [i, key] of keys.entries()) {
      const found = series(key);
      panels[i].title.textContent = inWords(key);
      panels[i].chart.update({
        series: found,
        scale: catalog.scales[key],
        step,
        band: bandOf(found, shown),
        layer: shown.side === SIDES[i] ? shown.layer : null,
        title: `${inWords(key)} over the depth of the network`,
      });
    }
    const bands = ["weights", "gradients"].flatMap((side, i) => {
      const words = keys[i] && inWordsOf(catalog.scales[keys[i]].band, series(keys[i]));
      return words ? [`${side} ${words}`] : [];
    });
    const all = keys.flatMap(series);
    const runs = all.filter(
      (one, i) => all.findIndex(({ run }) => run === one.run) === i,
    );
    legend.update(runs, shown.band, bands.length > 0);
    source.textContent = bands.length > 0 ? `Healthy bands: ${bands.join("; ")}.` : "";
  };
  return { element, update };
}

/** The run whose healthy band is drawn. */
function bandOf(series, { band }) {
  return series.some(({ run }) => run === band) ? band : series[0]?.run;
}
