/** What the kinds of lines in a profile chart mean, and what is healthy. */

import { createSelect } from "./controls.js";
import { html, svg } from "./dom.js";
import { inShort } from "./numbers.js";

const KEYS = {
  profile: ["path", { class: "key-profile", d: "M1,7H25" }],
  start: ["path", { class: "key-start", d: "M1,7H25" }],
  intended: ["path", { class: "key-intended", d: "M1,7H25" }],
  band: ["rect", { class: "band", width: 26, height: 12, y: 1 }],
  outside: ["circle", { class: "key-outside", cx: 13, cy: 7, r: 4 }],
  unmeasured: ["path", { class: "key-profile", d: "M9,7h8" }],
};

/**
 * @param {(wanted: object) => void} choose changes what is shown, see state.js
 * @returns {{element: HTMLElement, update: function(Series[], string, boolean)}}
 *   `update` takes the series, the run whose healthy band is drawn, and whether there
 *   are such bands
 */
export function createLegend(choose) {
  const whose = createSelect("band-run", "", (run) => choose({ band: run }));
  const entries = {
    profile: entry("profile", "at this step"),
    start: entry("start", "first record"),
    intended: entry("intended", "intended"),
    unmeasured: entry("unmeasured", "not measured"),
    outside: entry("outside", "outside its healthy band"),
    band: entry("band", ""),
  };
  const element = html("ul", { class: "legend" }, ...Object.values(entries));
  whose.element
    .querySelector("select")
    .setAttribute("aria-label", "Run whose healthy band is drawn");
  const update = (series, band, hasBands) => {
    entries.intended.hidden = !series.some(isIntended);
    entries.unmeasured.hidden = !series.some(({ profiles }) =>
      profiles.measured.includes(false),
    );
    entries.band.hidden = !hasBands || series.length === 0;
    entries.outside.hidden = entries.band.hidden;
    element.hidden = series.length === 0;
    if (entries.band.hidden) return;
    whose.update(
      series.map(({ run, label }) => [run, label]),
      band,
    );
    const owner = series.length > 1 ? [" of ", whose.element] : [];
    entries.band.lastChild.replaceChildren("healthy band", ...owner);
  };
  return { element, update };
}

/** What a band is, and who says so; nothing where there is none. */
export function inWordsOf(band, series) {
  if (!band) return "";
  if (band.around === "intended" && !series.some(isIntended)) return "";
  const { around, low, high, source } = band;
  return around === null ? `${inShort(low)} to ${inShort(high)}, ${source}` : source;
}

function isIntended({ profiles }) {
  return profiles.intended.some(Number.isFinite);
}

function entry(name, words) {
  const shape = svg(...KEYS[name]);
  const picture = svg("svg", { width: 26, height: 14, "aria-hidden": "true" }, shape);
  return html("li", {}, picture, html("span", {}, words));
}
