/** The views of layers over steps: one run, and two runs with their difference. */

import { settle } from "./colour_scales.js";
import { recordAt, rowOf, unionOfSteps } from "./data.js";
import { html } from "./dom.js";
import { createHeatmap } from "./heatmap.js";
import { inWords } from "./numbers.js";

/**
 * One run.
 * @param {Actions} actions see views.js
 * @returns {View}
 */
export function createHeatmapView(actions) {
  const map = createMap(actions);
  const none = html("p", { class: "notice" }, "This run does not have this statistic in a matching layer.");
  const element = html("div", {}, none, map.element);
  const update = ({ shown, catalog, series, dark }) => {
    const [one] = series(shown.statistic);
    map.element.hidden = !one;
    none.hidden = Boolean(one);
    if (!one) return;
    const { steps, values } = one.profiles;
    const scale = colourScale(shown, catalog);
    map.update({ ...titled(one, shown), steps, values, scale, diverging: false, dark });
  };
  return { element, update };
}

/**
 * Two runs and their difference: log10(A / B) on logarithmic scales, otherwise A - B.
 * @param {Actions} actions see views.js
 * @returns {View}
 */
export function createCompareView(actions) {
  const maps = [0, 1, 2].map((i) =>
    createMap(actions, (cell) => {
      for (const other of maps) if (other !== maps[i]) other.point(cell);
    }),
  );
  const sentence = html("p", { class: "notice" });
  const pair = html("div", { class: "pair" }, maps[0].element, maps[1].element);
  const element = html("div", {}, sentence, pair, maps[2].element);
  let last = null; // the steps and values stay while only the theme changes
  const update = ({ shown, catalog, series, dark }) => {
    const found = series(shown.statistic);
    const [a, b] = [shown.a, shown.b].map((name) =>
      found.find(({ run }) => run === name),
    );
    const why = reasonNotTo(a, b, catalog);
    sentence.textContent = why ?? "";
    sentence.hidden = why === null;
    pair.hidden = maps[2].element.hidden = why !== null;
    if (why !== null) return;
    const scale = colourScale(shown, catalog);
    if (last?.a !== a.profiles || last?.b !== b.profiles || last?.logarithmic !== scale.logarithmic) {
      last = {
        a: a.profiles,
        b: b.profiles,
        logarithmic: scale.logarithmic,
        ...together(a.profiles, b.profiles, scale),
      };
    }
    const { steps, valuesA, valuesB, difference } = last;
    const common = {
      steps,
      dark,
      diverging: false,
      scale: sharedScale(scale, [valuesA, valuesB]),
    };
    maps[0].update({ ...titled(a, shown, "A: "), ...common, values: valuesA });
    maps[1].update({ ...titled(b, shown, "B: "), ...common, values: valuesB });
    maps[2].update({
      name: "difference",
      title: scale.logarithmic
        ? `log₁₀(A / B): ${a.label} over ${b.label}`
        : `A − B: ${a.label} minus ${b.label}`,
      layers: a.layers,
      numbers: a.numbers,
      steps,
      values: difference,
      scale: { logarithmic: false, low: null, high: null },
      diverging: true,
      dark,
    });
  };
  return { element, update };
}

/**
 * The records of two runs at their common steps, and the differences.
 * @param {Profiles} a
 * @param {Profiles} b of as many layers
 * @param {{logarithmic: boolean}} scale
 * @returns {{steps: Float64Array, valuesA: Float32Array, valuesB: Float32Array,
 *   difference: Float32Array}}
 */
export function together(a, b, scale) {
  const first = Math.max(a.steps[0], b.steps[0]);
  const steps = unionOfSteps([a, b]).filter((step) => step >= first);
  const [valuesA, valuesB] = [a, b].map((one) => {
    const values = new Float32Array(steps.length * one.width);
    for (const [i, step] of steps.entries()) {
      values.set(rowOf(one, recordAt(one, step)), i * one.width);
    }
    return values;
  });
  const minus = scale.logarithmic
    ? (value, other) => Math.log10(value) - Math.log10(other)
    : (value, other) => value - other;
  const difference = valuesA.map(
    (value, i) => (value === valuesB[i] ? 0 : minus(value, valuesB[i])), // 0 and 0, or ∞ and ∞
  );
  return { steps, valuesA, valuesB, difference };
}

function reasonNotTo(a, b, { readable }) {
  if (readable.length < 2) {
    return "There is only one run. Record a second one to compare them here.";
  }
  if (!a || !b) return "One of the runs does not have this statistic in a matching layer.";
  if (a.layers.length !== b.layers.length) {
    return (
      `${a.label} and ${b.label} do not have the same number of layers, ` +
      "so there is no difference to show."
    );
  }
  if (a.profiles.steps.length === 0 || b.profiles.steps.length === 0) {
    return "Nothing was recorded.";
  }
  return null;
}

/** A heatmap that names points by their layers. */
function createMap({ open, read }, onHover = () => {}) {
  let props = null;
  const map = createHeatmap({
    onPick: ({ layer }) => open({ layer: props.layers[layer] }),
    onHover: (cell) => {
      onHover(cell);
      read(
        cell && {
          label: props.title,
          layer: props.layers[cell.layer],
          name: props.layers[cell.layer],
          step: cell.step,
          value: cell.value,
        },
      );
    },
  });
  const update = (next) => {
    props = next;
    map.update(next);
  };
  return { element: map.element, point: map.point, update };
}

function titled({ run, label, layers, numbers, faults }, { statistic }, side = "") {
  const title = `${side}${label}, ${inWords(statistic)}`;
  return { name: run, title, layers, numbers, faults };
}

/** The scale of the statistic, with the ends that the reader chose. */
function colourScale({ statistic, colours }, { scales }) {
  const scale = scales[statistic];
  return colours === "fixed" ? scale : { ...scale, low: null, high: null };
}

/** A scale with the same colors for the same values on both sides. */
function sharedScale(scale, several) {
  if (scale.low !== null) return scale;
  const { low, high } = settle(scale, several.flatMap((values) => [...values]), false);
  return { ...scale, low, high };
}
