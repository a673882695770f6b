/** What is to be said of the runs at a step: who is in trouble, and who is not. */

import { boundsOf, isInTrouble, verdict } from "./band.js";
import { swatchOf } from "./colours.js";
import { recordAt, rowOf } from "./data.js";
import { html } from "./dom.js";

const MOST_LINES = 6;

const troubles = new WeakMap(); // of profiles, which are of one statistic

/**
 * A line for each run in trouble, and one for all others of which the same holds.
 * @returns {{element: HTMLElement, update: function(object)}} `update` takes the
 *   `series`, the `scale` of the statistic, the `step`, `isPlaying`, and what to say if
 *   there is no series, `otherwise`
 */
export function createVerdicts() {
  const element = html("p", { id: "verdict", "aria-live": "polite" });
  const update = ({ series, scale, step, isPlaying, otherwise }) => {
    element.setAttribute("aria-live", isPlaying ? "off" : "polite");
    const lines = linesOf(series, scale, step);
    if (series.length === 0) lines.push(html("span", { class: "rest" }, otherwise));
    const isSame = lines.every((line, i) => line.isEqualNode(element.children[i]));
    if (isSame && lines.length === element.children.length) return; // or it is read again
    element.replaceChildren(...lines.flatMap((line) => [line, " "]));
  };
  return { element, update };
}

function linesOf(series, scale, step) {
  const groups = new Map();
  for (const one of series) {
    const found = judged(one, scale, step);
    const key = found.trouble ? one.run : `${found.step} ${found.short}`;
    if (!groups.has(key)) groups.set(key, { ...found, runs: [] });
    groups.get(key).runs.push(one);
  }
  const all = [...groups.values()].sort((a, b) => b.trouble - a.trouble);
  const lines = all.slice(0, MOST_LINES).map(lineOf);
  const rest = all.slice(MOST_LINES);
  const count = (some) => some.reduce((sum, { runs }) => sum + runs.length, 0);
  if (rest.length > 0) {
    const bad = count(rest.filter(({ trouble }) => trouble));
    const words = `${count(rest)} more, ${bad} of them in trouble.`;
    lines.push(html("span", { class: "rest" }, words));
  }
  return lines;
}

function lineOf({ runs, step, words, short, trouble }) {
  const names = runs.map(({ label }) => label);
  const at = step === undefined ? "" : `step ${step}`;
  const text =
    runs.length === 1
      ? `${[names[0], at].filter(Boolean).join(", ")}: ${words}`
      : `${runs.length} runs: ${[short.slice(0, -1), at].filter(Boolean).join(" at ")}.`;
  return html(
    "span",
    {
      class: trouble ? "sentence trouble" : "sentence",
      title: runs.length > 1 && names.join(", "),
    },
    ...runs.map(swatchOf),
    text,
  );
}

function judged({ layers, profiles }, scale, step) {
  const record = recordAt(profiles, step);
  if (record < 0) {
    const words = `no record at or before step ${step}.`;
    return { words, short: words, trouble: false };
  }
  const { steps, measured, intended } = profiles;
  const values = rowOf(profiles, record);
  const bounds = boundsOf(scale.band, values, intended);
  const found = verdict({ layers, values, measured }, bounds, isZeroBad(scale));
  if (found.trouble) {
    const first = steps[beginOf(troubled(profiles, scale), record)];
    found.words += first === steps[record] ? "" : ` In trouble since step ${first}.`;
  }
  return { ...found, step: steps[record] };
}

/** For each record whether a layer is in trouble. */
function troubled(profiles, scale) {
  if (!troubles.has(profiles)) {
    const each = Array.from(profiles.steps, (_, record) => {
      const values = rowOf(profiles, record);
      const bounds = boundsOf(scale.band, values, profiles.intended);
      return isInTrouble(values, profiles.measured, bounds, isZeroBad(scale));
    });
    troubles.set(profiles, each);
  }
  return troubles.get(profiles);
}

/** The first of the records up to this one without one among them that is not. */
function beginOf(each, record) {
  return each.lastIndexOf(false, record) + 1;
}

function isZeroBad(scale) {
  return scale.logarithmic && scale.band !== null;
}
