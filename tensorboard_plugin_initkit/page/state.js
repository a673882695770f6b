/** The state of the view: what the reader wants, if the runs have it. */

import { columnOf } from "./data.js";
import { isAlternating } from "./layers.js";
import { onAxis } from "./ranges.js";
import { shortNames, withoutCounters } from "./numbers.js";
import { runStyle } from "./colours.js";

export const VIEWS = ["profile", "heatmap", "compare", "weights_gradients", "overview"];
const LINES = ["network", "kind"];
const COLOURS = ["fixed", "data"];
const AXES = ["usual", "log", "symlog", "linear"];
const FIRST_RUNS = 8;
const MOST_HISTOGRAMS = 4; // runs, each with its own chart
const SOURCES = ["weight", "gradient", "pre_activation"];
const LISTS = ["runs"];

/**
 * The runs that the server lists, each with a `label`, a `style`, and `faults`: by name,
 * the step since which a layer is at fault. Runs of one architecture have the same
 * `layers`, those of the first; `ownNames` has a run's own names for them.
 * @param {{runs: object[], statistics: object}} listed from `/runs`
 */
export function catalogOf({ runs, statistics }) {
  const labels = shortNames(runs.map(({ name }) => name));
  const shared = new Map(); // the names of the layers, by architecture
  const all = runs.map((run) => {
    const ownNames = run.layers ?? [];
    const architecture = ownNames.map(withoutCounters).join("\n");
    if (!shared.has(architecture)) shared.set(architecture, ownNames);
    const layers = shared.get(architecture);
    return {
      ...run,
      layers,
      ownNames,
      label: labels.get(run.name),
      style: runStyle(run.name),
      faults: faultsOf(run.findings ?? [], new Map(zip(ownNames, layers))),
    };
  });
  const readable = all.filter((run) => !run.error);
  const keys = Object.keys(statistics);
  const measures = keys
    .filter((key) => key.startsWith("weight_"))
    .map((key) => key.slice("weight_".length))
    .filter((measure) => keys.includes(`gradient_${measure}`));
  const axes = Object.fromEntries(
    keys.flatMap((key) =>
      AXES.map((axis) => [`${key}\n${axis}`, onAxis(statistics[key], axis)]),
    ),
  );
  return { all, readable, scales: statistics, axes, keys, measures };
}

function faultsOf(findings, shared) {
  const latestFirst = [...findings].sort((one, other) => other.since - one.since);
  return new Map(
    latestFirst.flatMap(({ layers, since }) =>
      layers.map((layer) => [shared.get(layer) ?? layer, since]),
    ),
  );
}

const zip = (some, others) => some.map((one, i) => [one, others[i]]);

/**
 * The state if the reader wants `wanted`. It ignores names that do not exist.
 *
 * `view`; `statistic` and `measure` (of weights and gradients); `runs`, their names in
 * the order of the list; `layers`, a pattern of their names; `lines`, through the whole
 * "network" or through each "kind" of layer; `axis` of values, "usual" or the reader's
 * choice; `colours` of heatmaps, "fixed" by the statistic or from the "data"; `step`,
 * null for the newest; `layer` with an open time series, or null; its `side`, "weight"
 * or "gradient"; `run` of the heatmap; `a` and `b`, the runs to compare.
 */
export function settled(wanted, { readable, keys, measures }) {
  const names = readable.map(({ name }) => name);
  const one = (name, of, otherwise) => (of.includes(name) ? name : otherwise);
  const runs = wanted.runs
    ? names.filter((name) => wanted.runs.includes(name))
    : names.slice(0, FIRST_RUNS);
  const layers = readable.flatMap((run) => run.layers);
  const alternates = readable.some(
    (run) => runs.includes(run.name) && isAlternating(run.layers),
  );
  const a = one(wanted.a, names, runs[0] ?? names[0]);
  const step = wanted.step ?? null;
  return {
    view: one(wanted.view, VIEWS, VIEWS[0]),
    statistic: one(wanted.statistic, keys, one("gradient_variance", keys, keys[0])),
    measure: one(wanted.measure, measures, one("variance", measures, measures[0])),
    runs,
    layers: wanted.layers ?? "",
    lines: one(wanted.lines, LINES, LINES[Number(alternates)]),
    axis: one(wanted.axis, AXES, AXES[0]),
    colours: one(wanted.colours, COLOURS, COLOURS[0]),
    step: step === null || Number.isNaN(Number(step)) ? null : Number(step),
    layer: one(wanted.layer, layers, null),
    side: one(wanted.side, ["weight", "gradient"], "gradient"),
    run: one(wanted.run, names, runs[0] ?? names[0]),
    a,
    b: one(wanted.b, names, partner(a, [...runs, ...names], readable)),
  };
}

/** Another run, with the same layers if there is one. */
function partner(name, candidates, readable) {
  const layersOf = (run) => readable.find((one) => one.name === run)?.layers.join("\n");
  const others = candidates.filter((other) => other !== name);
  return (
    others.find((other) => layersOf(other) === layersOf(name)) ?? others[0] ?? name
  );
}

/** The scale of a statistic, on the axis that the reader chose. */
export function scaleOf(statistic, { axis }, { axes }) {
  return axes[`${statistic}\n${axis}`];
}

/** The series that a view needs: pairs of a run and a statistic. */
export function needs(shown, catalog) {
  const keys = statisticsOf(shown);
  return runsOf(shown).flatMap((name) => {
    const run = catalog.readable.find((other) => other.name === name);
    return keys
      .filter((key) => run?.statistics.includes(key))
      .map((key) => [name, key]);
  });
}

/**
 * The recorded histograms of the layer with an open time series: run, source and the
 * run's own name of the layer.
 */
export function histogramsOf(shown, { readable }) {
  const source = sourceOf(openStatistic(shown));
  const runs = readable.filter(({ name }) => runsOf(shown).includes(name));
  return runs
    .filter(({ histograms }) => histograms?.includes(source))
    .map((run) => [run, columnOf(shown.layer, run, runs)])
    .filter(([, column]) => column >= 0)
    .slice(0, MOST_HISTOGRAMS)
    .map(([run, column]) => [run.name, source, run.ownNames[column]]);
}

/** The statistic of the time series. */
export function openStatistic({ view, statistic, measure, side }) {
  return view === "weights_gradients" ? `${side}_${measure}` : statistic;
}

/** The source of a statistic, if it can have histograms. */
export function sourceOf(statistic) {
  return SOURCES.find((source) => statistic?.startsWith(`${source}_`)) ?? null;
}

/** The statistics that a view shows. */
export function statisticsOf({ view, statistic, measure }) {
  return view === "weights_gradients" ? sides(measure) : [statistic];
}

/** The runs that a view shows. */
export function runsOf({ view, runs, run, a, b }) {
  if (view === "overview") return [];
  if (view === "heatmap") return [run];
  return view === "compare" ? [...new Set([a, b])] : runs;
}

/** The statistics of a measure: for the weights, and for the gradients. */
export function sides(measure) {
  return measure === undefined ? [] : [`weight_${measure}`, `gradient_${measure}`];
}

/** Reads the entries that `toLink` made. */
export function fromLink(entries) {
  return Object.fromEntries(
    Object.entries(entries).map(([key, value]) => [
      key,
      LISTS.includes(key) ? value.split(",").filter(Boolean).map(decodeName) : value,
    ]),
  );
}

/** The entries of an address that shows the same to everyone who opens it. */
export function toLink(shown, catalog) {
  const usual = settled({ runs: shown.runs }, catalog);
  const first = settled({}, catalog).runs;
  const text = (value) =>
    Array.isArray(value) ? value.map(encodeName).join(",") : String(value ?? "");
  return Object.fromEntries(
    Object.entries(shown)
      .filter(
        ([key, value]) => text(value) !== text(key === "runs" ? first : usual[key]),
      )
      .map(([key, value]) => [key, text(value)]),
  );
}

function encodeName(name) {
  return name.replace(/[%,]/g, encodeURIComponent);
}

function decodeName(name) {
  return name.replace(/%25|%2C/g, decodeURIComponent);
}
