/** A table of all runs: how well each learns, and what is wrong with it. */

import { swatchOf } from "./colours.js";
import { html, setAttributes, svg } from "./dom.js";
import { inShort, inWords } from "./numbers.js";

const SPARK = { width: 120, height: 22 };
const ACCURACY = /acc(uracy)?$/;

// Each column has a heading, and a function from a run to its value.
const COLUMNS = {
  run: ["Run", ({ label }) => label],
  first: ["First loss", ({ loss }) => number(loss?.values[0])],
  last: ["Last loss", ({ loss }) => number(loss?.values.at(-1))],
  course: ["Loss", null],
  accuracy: ["Last accuracy", accuracyOf],
  findings: ["Findings", ({ findings }) => findings?.length ?? null],
  problem: ["Root cause", ({ findings }) => findings?.[0] && inWords(findings[0].problem)],
  layer: ["Layer", ({ findings }) => findings?.[0]?.layers[0]],
};

/**
 * @param {Actions} actions see views.js
 * @returns {View}
 */
export function createOverview({ choose }) {
  const body = html("tbody");
  const headings = Object.entries(COLUMNS).map(([key, [words, valueOf]]) => {
    const button = html("button", { type: "button", "data-sort": key }, words);
    return html("th", { scope: "col" }, valueOf ? button : words);
  });
  const table = html("table", {}, html("thead", {}, html("tr", {}, ...headings)), body);
  const element = html("div", { class: "overview" }, table);
  let catalog = null;
  let sorted = { key: null, isDescending: false };

  function draw() {
    const runs = inOrder(catalog.readable, sorted);
    body.replaceChildren(...runs.map((run) => rowOf(run, choose)));
    for (const [i, key] of Object.keys(COLUMNS).entries()) {
      const order = sorted.isDescending ? "descending" : "ascending";
      setAttributes(headings[i], { "aria-sort": key === sorted.key && order });
    }
  }

  table.addEventListener("click", ({ target }) => {
    const key = target.closest("[data-sort]")?.dataset.sort;
    if (!key) return;
    sorted = { key, isDescending: sorted.key === key && !sorted.isDescending };
    draw();
  });
  const update = (context) => {
    if (context.catalog === catalog) return;
    catalog = context.catalog;
    draw();
  };
  return { element, update };
}

/** The runs sorted by a column; those without a value come last. */
function inOrder(runs, { key, isDescending }) {
  if (key === null) return runs;
  const [, valueOf] = COLUMNS[key];
  const isThere = (value) => value !== undefined && value !== null && value === value;
  const pairs = runs.map((run) => [valueOf(run), run]);
  const there = pairs.filter(([value]) => isThere(value));
  there.sort(([a], [b]) => (a < b ? -1 : Number(a > b)) * (isDescending ? -1 : 1));
  return [...there, ...pairs.filter(([value]) => !isThere(value))].map(([, run]) => run);
}

function rowOf(run, choose) {
  const button = html("button", { type: "button", title: "Show this run" }, run.label);
  button.addEventListener("click", () => choose({ view: "profile", runs: [run.name] }));
  const cells = Object.entries(COLUMNS).map(([key, [, valueOf]]) => {
    if (key === "run") {
      return html("th", { scope: "row" }, swatchOf(run), button);
    }
    const cell = html("td", { "data-cell": key });
    cell.append(valueOf ? inCell(valueOf(run)) : sparkline(run));
    return cell;
  });
  return html("tr", { "data-run": run.name }, ...cells);
}

function inCell(value) {
  if (value === undefined || value === null) return "–";
  return typeof value === "number" ? inShort(value) : value;
}

/** The loss over the steps, as a line over the full height. */
function sparkline({ loss, style }) {
  const { width, height } = SPARK;
  const picture = svg("svg", { width, height, "aria-hidden": "true" });
  const places = (loss?.values ?? [])
    .map((value, i) => [loss.steps[i], Math.log10(number(value))])
    .filter(([, y]) => Number.isFinite(y));
  if (places.length < 2) return picture;
  const [[left], [right]] = [places[0], places.at(-1)];
  const low = Math.min(...places.map(([, y]) => y));
  const high = Math.max(...places.map(([, y]) => y));
  const share = (value, from, to) => (value - from) / (to - from || 1);
  const points = places.map(
    ([x, y]) =>
      `${(1 + share(x, left, right) * (width - 2)).toFixed(1)},` +
      `${(height - 1 - share(y, low, high) * (height - 2)).toFixed(1)}`,
  );
  const line = svg("path", { class: "spark", d: `M${points.join("L")}` });
  line.style.stroke = style.colour;
  picture.append(line);
  return picture;
}

/** The last accuracy, on the validation data if there are any. */
function accuracyOf({ metrics }) {
  const names = Object.keys(metrics ?? {}).filter((name) => ACCURACY.test(name));
  const name = names.find((one) => one.startsWith("val_")) ?? names[0];
  return name && number(metrics[name]);
}

/** JSON has NaN and infinities as strings. */
function number(value) {
  return value === undefined ? undefined : Number(value);
}
