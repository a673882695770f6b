/** The findings of the runs, each with a link to the place that shows it. */

import { swatchOf } from "./colours.js";
import { html } from "./dom.js";
import { inWords } from "./numbers.js";

// The statistics that show a problem, the clearest first.
const SHOWN_BY = {
  non_finite: ["weight_nonfinite_count", "weight_l2_norm", "weight_variance"],
  unscaled_data: ["pre_activation_variance"],
  symmetric_units: ["duplicate_fraction"],
  weights_too_large: ["pre_activation_variance"],
  weights_too_small: ["pre_activation_variance"],
  saturated_units: ["saturated_fraction"],
  dead_units: ["dead_fraction", "gradient_l2_norm"],
  learning_rate_too_high: ["update_ratio", "weight_l2_norm"],
  learning_rate_too_low: ["update_ratio", "weight_l2_norm"],
};
const USUAL = "gradient_variance";
const NAMED = 3; // runs or layers

/**
 * The list of findings, worst first, and a line about the runs without any.
 * @param {(wanted: object) => void} choose changes what is shown, see state.js
 * @returns {{element: HTMLElement, update: function(object, object)}} `update` takes
 *   the view's state, and the catalog
 */
export function createFindings(choose) {
  const list = html("ul");
  const rest = html("div", { class: "rest" });
  const element = html("section", { id: "findings", "aria-label": "Findings" });
  element.append(list, rest);
  let shown = null;
  let known = null;
  const update = (next, catalog) => {
    shown = next;
    if (catalog === known) return;
    known = catalog;
    const all = catalog.readable.flatMap((run) =>
      (run.findings ?? []).map((finding) => ({ run, finding })),
    );
    const go = (one) => choose(placeOf(one, shown));
    list.replaceChildren(...worstFirst(all).map((one) => lineOf(one, go)));
    list.hidden = all.length === 0;
    rest.replaceChildren(...restOf(catalog.readable));
  };
  return { element, update };
}

/** The place that shows a finding. */
function placeOf({ run, finding }, { runs }) {
  const { problem, layers, since } = finding;
  const keys = [...(SHOWN_BY[problem] ?? []), USUAL];
  return {
    view: "profile",
    statistic: keys.find((key) => run.statistics.includes(key)),
    runs: [...runs, run.name],
    layer: run.layers[run.ownNames.indexOf(layers[0])] ?? null,
    step: since,
  };
}

function worstFirst(all) {
  const isMild = ({ finding }) => Number(finding.severity !== "critical");
  return [...all].sort((one, other) => isMild(one) - isMild(other));
}

function lineOf(one, go) {
  const { run, finding } = one;
  const { problem, layers, since, severity, evidence, cause, fix } = finding;
  const where = layers.length > 0 ? `in ${listed(layers, "layers")}, ` : "";
  const head = html(
    "button",
    { type: "button", class: "where", title: "Show where" },
    swatchOf(run),
    html("span", { class: "name" }, run.label),
    html("strong", { class: severity }, inWords(problem)),
    html("span", {}, `${where}since step ${since}`),
  );
  head.addEventListener("click", () => go(one));
  return html(
    "li",
    { "data-problem": problem, "data-run": run.name },
    head,
    html("p", {}, `${cause}: ${evidence}.`),
    fixOf(fix),
    consequencesOf(finding),
  );
}

function fixOf(fix) {
  const button = html("button", { type: "button", class: "copy" }, "Copy");
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(fix);
    button.textContent = "Copied";
  });
  // Browsers offer this only on secure pages. Elsewhere, a click selects the code.
  button.hidden = !navigator.clipboard;
  return html("div", { class: "fix" }, html("code", {}, fix), button);
}

function consequencesOf({ consequences }) {
  if (consequences.length === 0) return null;
  const words = consequences.map(inWords).join(", ");
  return html("details", {}, html("summary", {}, "What follows"), html("p", {}, words));
}

/** A line for the healthy runs, and one for those without recorded findings. */
function restOf(runs) {
  const groups = {
    "no problem was found.": runs.filter(({ findings }) => findings?.length === 0),
    "no findings are recorded.": runs.filter(({ findings }) => !findings),
  };
  return Object.entries(groups)
    .filter(([, some]) => some.length > 0)
    .map(([words, some]) => {
      const labels = some.map(({ label }) => label);
      const title = labels.join(", ");
      return html("p", { title }, `${listed(labels, "runs")}: ${words}`);
    });
}

function listed(names, kind) {
  if (names.length <= NAMED) return names.join(", ");
  return `${names[0]} … ${names.at(-1)} (${names.length} ${kind})`;
}
