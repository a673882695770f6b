/** The legend of lines and points in a profile chart. */

import { html, svg } from "./dom.js";

const KEYS = {
  profile: ["path", { class: "key-profile", d: "M1,7H25" }],
  start: ["path", { class: "key-start", d: "M1,7H25" }],
  intended: ["path", { class: "key-intended", d: "M1,7H25" }],
  fault: ["circle", { class: "key-fault", cx: 13, cy: 7, r: 4 }],
  unmeasured: ["path", { class: "key-profile", d: "M9,7h8" }],
};

/** @returns {{element: HTMLElement, update: function(Series[])}} */
export function createLegend() {
  const entries = {
    profile: entry("profile", "at this step"),
    start: entry("start", "first record"),
    intended: entry("intended", "intended"),
    unmeasured: entry("unmeasured", "not measured"),
    fault: entry("fault", "layer at fault"),
  };
  const element = html("ul", { class: "legend" }, ...Object.values(entries));
  const update = (series) => {
    entries.intended.hidden = !series.some(isIntended);
    entries.unmeasured.hidden = !series.some(({ profiles }) =>
      profiles.measured.includes(false),
    );
    entries.fault.hidden = !series.some(({ faults }) => faults.size > 0);
    element.hidden = series.length === 0;
  };
  return { element, update };
}

function isIntended({ profiles }) {
  return profiles.intended.some(Number.isFinite);
}

function entry(name, words) {
  const shape = svg(...KEYS[name]);
  const picture = svg("svg", { width: 26, height: 14, "aria-hidden": "true" }, shape);
  return html("li", {}, picture, html("span", {}, words));
}
