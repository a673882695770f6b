/** The views that have a slider: depth profiles. */

import { recordAt, rowOf } from "./data.js";
import { boundsOf, verdict } from "./band.js";
import { html, svg } from "./dom.js";
import { createProfileChart } from "./profile_chart.js";
import { createSelect } from "./controls.js";
import { inShort, inWords } from "./numbers.js";
import { sides } from "./state.js";

const MOST_SENTENCES = 6;
const KEYS = {
  profile: ["path", { class: "key-profile", d: "M1,7H25" }],
  start: ["path", { class: "key-start", d: "M1,7H25" }],
  predicted: ["path", { class: "key-predicted", d: "M1,7H25" }],
  band: ["rect", { class: "band", width: 26, height: 12, y: 1 }],
  outside: ["circle", { class: "key-outside", cx: 13, cy: 7, r: 4 }],
  unmeasured: ["path", { class: "key-profile", d: "M9,7h8" }],
};
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
  const sentences = html("p", { id: "verdict", "aria-live": "polite" });
  const chart = createProfileChart({
    onPick: ({ layer, run }) => choose({ layer, band: run }),
    onHover: read,
  });
  const legend = createLegend(choose);
  const element = html(
    "div",
    { class: "view" },
    sentences,
    legend.element,
    chart.element,
  );
  const update = ({ shown, catalog, series, step, isPlaying }) => {
    const scale = catalog.scales[shown.statistic];
    const found = series(shown.statistic);
    const band = found.some(({ run }) => run === shown.band)
      ? shown.band
      : found[0]?.run;
    sentences.setAttribute("aria-live", isPlaying ? "off" : "polite");
    judge(sentences, found, scale, step, shown);
    chart.element.toggleAttribute("hidden", found.length === 0);
    chart.update({
      series: found,
      scale,
      step,
      band,
      layer: shown.layer,
      title: `${inWords(shown.statistic)} over the depth of the network`,
    });
    legend.update(found, band, inWordsOf(scale.band, found));
  };
  return { element, update };
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
  const element = html("div", { class: "view" }, none, legend.element, pair);
  const update = ({ shown, catalog, series, step }) => {
    const keys = sides(shown.measure);
    none.hidden = keys.length > 0;
    pair.hidden = keys.length === 0;
    for (const [i, key] of keys.entries()) {
      const found = series(key);
      const band = found.some(({ run }) => run === shown.band)
        ? shown.band
        : found[0]?.run;
      panels[i].title.textContent = inWords(key);
      panels[i].chart.update({
        series: found,
        scale: catalog.scales[key],
        step,
        band,
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
    legend.update(runs, shown.band, bands.join("; "));
  };
  return { element, update };
}

/** A sentence for each run; if there are many, for those in trouble first. */
function judge(element, series, scale, step, shown) {
  const found = series.map((one) => ({ ...one, ...sentenceOf(one, scale, step) }));
  if (found.length > MOST_SENTENCES) found.sort((a, b) => b.trouble - a.trouble);
  const lines = found.slice(0, MOST_SENTENCES).map(({ text, trouble, style }) => {
    const line = html(
      "span",
      { class: trouble ? "sentence trouble" : "sentence" },
      text,
    );
    line.style.setProperty("--colour", style.colour);
    return line;
  });
  const rest = found.slice(MOST_SENTENCES);
  if (rest.length > 0) {
    const bad = rest.filter(({ trouble }) => trouble).length;
    lines.push(
      html(
        "span",
        { class: "rest" },
        `${rest.length} more, ${bad} of them in trouble.`,
      ),
    );
  }
  if (found.length === 0) {
    const why =
      shown.runs.length === 0
        ? "No run is chosen."
        : "No chosen run has this statistic.";
    lines.push(html("span", { class: "rest" }, why));
  }
  const isSame = lines.every((line, i) => line.isEqualNode(element.children[i]));
  if (isSame && lines.length === element.children.length) return; // or it is read again
  element.replaceChildren(...lines.flatMap((line) => [line, " "]));
}

function sentenceOf({ label, layers, profiles }, scale, step) {
  const record = recordAt(profiles, step);
  if (record < 0) {
    return { text: `${label}: no record at or before step ${step}.`, trouble: false };
  }
  const { steps, measured, predicted } = profiles;
  const values = rowOf(profiles, record);
  const bounds = boundsOf(scale.band, values, predicted);
  const at = { run: label, step: steps[record], layers, values, measured };
  return verdict(at, bounds, scale.logarithmic && scale.band !== null);
}

/** What the kinds of lines mean, and what is healthy. */
function createLegend(choose) {
  const whose = createSelect("band-run", "", (run) => choose({ band: run }));
  const entries = {
    profile: entry("profile", "at this step"),
    start: entry("start", "first record"),
    predicted: entry("predicted", "predicted before training"),
    outside: entry("outside", "outside its run's healthy band"),
    unmeasured: entry("unmeasured", "not measured"),
    band: entry("band", ""),
  };
  const element = html("ul", { class: "legend" }, ...Object.values(entries));
  whose.element
    .querySelector("select")
    .setAttribute("aria-label", "Run whose healthy band is drawn");
  const update = (series, band, words) => {
    entries.predicted.hidden = !series.some(isPredicted);
    entries.unmeasured.hidden = !series.some(({ profiles }) =>
      profiles.measured.includes(false),
    );
    entries.band.hidden = !words || series.length === 0;
    entries.outside.hidden = entries.band.hidden;
    element.hidden = series.length === 0;
    if (entries.band.hidden) return;
    whose.update(
      series.map(({ run, label }) => [run, label]),
      band,
    );
    const owner = series.length > 1 ? [" of ", whose.element] : [];
    entries.band.lastChild.replaceChildren("healthy band", ...owner, `: ${words}`);
  };
  return { element, update };
}

function isPredicted({ profiles }) {
  return profiles.predicted.some(Number.isFinite);
}

/** What a band is; nothing where there is none. */
function inWordsOf(band, series) {
  if (!band) return "";
  if (band.around === "predicted" && !series.some(isPredicted)) return "";
  const { around, low, high, source } = band;
  return around === null ? `${inShort(low)} to ${inShort(high)}, ${source}` : source;
}

function entry(name, words) {
  const shape = svg(...KEYS[name]);
  const picture = svg("svg", { width: 26, height: 14, "aria-hidden": "true" }, shape);
  return html("li", {}, picture, html("span", {}, words));
}
