/** A statistic of one layer over the steps: one line per run. */

import { recordAt, unionOfSteps } from "./data.js";
import { drawDistribution, quantile } from "./distribution.js";
import { html, setAttributes, setText, svg, watchedWidth } from "./dom.js";
import { frame } from "./frame.js";
import { roundNumbers, valueAxis } from "./axis.js";
import { inShort, inWords } from "./numbers.js";
import { glyph, linePath } from "./paths.js";
import { isStale } from "./redraw.js";
import { ZOOM_HELP, createZoom } from "./zoom.js";

const HEIGHT = 200;
const ABOVE_HEIGHT = 76;
const ABOVE = ["loss", "learning_rate"]; // shown above the chart
const MARK_GAP = 12; // pixels between two marks of values without a place on the axis

const HINT =
  'To see how the values are spread, record them: LayerStatsCallback(histogram_steps="epoch").';
const HELP =
  "Left and right arrow keys move through the steps, Home and End to the first and the " +
  `last, Escape closes. ${ZOOM_HELP}`;

/**
 * @param {{onClose: function()}} listeners
 * @returns {{element: HTMLElement, update: function(object), reveal: function()}}
 *   `update` takes the `layer`'s name; the `series` of runs that have it, each with the
 *   `column` of the layer, its `loss` and `learning_rate` if known, and maybe its
 *   `histograms`; the `scale`, the `statistic` in words, its `source`, null if it has no
 *   histograms, and the `step`. `reveal` scrolls to the chart
 */
export function createTimeSeries({ onClose }) {
  const title = html("h2", {
    id: "time-series-title",
    tabindex: "-1",
    "aria-live": "polite",
  });
  const close = html(
    "button",
    { type: "button", class: "close", "aria-label": "Close" },
    "×",
  );
  const reading = html("p", { class: "reading", "aria-live": "polite" });
  const chart = svg("svg", { class: "chart", "aria-hidden": "true" });
  const above = Object.fromEntries(
    ABOVE.map((key) => [
      key,
      svg("svg", { class: "chart", "data-course": key, "aria-hidden": "true" }),
    ]),
  );
  const below = html("div");
  const plot = html(
    "div",
    { class: "time-series-chart", role: "application", tabindex: "0" },
    ...Object.values(above),
    chart,
    below,
  );
  const hint = html("p", { class: "hint" });
  const element = html(
    "section",
    { id: "time-series", "aria-labelledby": "time-series-title", hidden: true },
    html("header", {}, title, close),
    plot,
    reading,
    hint,
  );
  const zoom = createZoom(plot, chart, {
    plot: () => drawn.plot,
    focus: () => active !== null && { x: drawn.x(drawn.steps[active]) },
    onChange: draw,
  });
  const width = watchedWidth(chart, () => props && draw());
  let props = null;
  let drawn = null;
  let active = null; // the index of the step under the keyboard or the mouse
  let opener = null; // where the keyboard was before

  function update(next) {
    if (next.scale !== props?.scale || next.layer !== props.layer) zoom.whole();
    props = next;
    if (element.hidden) opener = document.activeElement;
    element.hidden = false;
    element.dataset.layer = props.layer;
    setText(title, `${props.layer}: ${props.statistic} over the steps`);
    hint.hidden = !props.source || props.series.some(({ histograms }) => histograms);
    setText(hint, hint.hidden ? "" : HINT);
    draw();
  }

  function reveal() {
    element.scrollIntoView({ block: "nearest" });
    title.focus({ preventScroll: true });
  }

  function leave() {
    onClose();
    opener?.focus({ preventScroll: true });
  }

  function draw() {
    const key = [
      props.layer,
      props.scale,
      zoom.part(),
      width(),
      ...props.series.flatMap((s) => [s.profiles, s.histograms]),
    ];
    if (isStale(drawn, key)) {
      drawn = { key, ...layOut({ main: chart, above, below }, props, width(), zoom.part()) };
      plot.setAttribute("aria-label", `${summary(props)} ${HELP}`);
      activate(null);
    }
    mark("cursor", props.step);
  }

  /** Moves the lines of a name to a step, in all charts; null for none. */
  function mark(name, step) {
    const x = step === null ? 0 : drawn.x(step);
    for (const line of plot.querySelectorAll(`.${name}`)) {
      setAttributes(line, { x1: x, x2: x, visibility: step === null ? "hidden" : null });
    }
  }

  /** Shows the values of the runs at a step, given its index; null for none. */
  function activate(index) {
    active = index;
    const step = index === null ? props.step : drawn.steps[index];
    mark("guide", index === null ? null : step);
    setText(reading, index === null ? "" : readingAt(props, step));
  }

  function pressed(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const last = drawn.steps.length - 1;
    const here = active ?? Math.max(0, recordAt(drawn, props.step));
    const next = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: last }[
      event.key
    ];
    if (next === undefined) return;
    event.preventDefault();
    activate(Math.min(Math.max(next, 0), last));
  }

  close.addEventListener("click", leave);
  element.addEventListener("keydown", ({ key }) => key === "Escape" && leave());
  plot.addEventListener("keydown", pressed);
  plot.addEventListener("blur", () => activate(null));
  plot.addEventListener("pointermove", (event) => {
    const wanted = drawn.step(event.clientX - chart.getBoundingClientRect().left);
    activate(nearest(drawn.steps, wanted));
  });
  plot.addEventListener("pointerleave", () => activate(null));
  return { element, update, reveal };
}

/** Draws the charts, one below the other, on one axis of steps. */
function layOut(charts, { series, scale, source }, width, part) {
  const steps = unionOfSteps(series.map(({ profiles }) => profiles));
  const [low, high] = [steps[0], steps.at(-1)];
  const [from, to] = part.x.map((share) => low + share * (high - low));
  const labels = high > low ? roundNumbers(from, to, Math.max(2, width / 110)) : [low];
  const ticks = {
    ...{ low, high, count: 0, slanted: false },
    labels: labels.map((at) => ({ at, lines: [String(at)] })),
  };
  const draw = (chart, lines, ofLines, ofSteps, y, height) => {
    const makeAxis = (top, bottom) =>
      valueAxis(
        ofLines,
        lines.map(({ values }) => values),
        [],
        ...[top, bottom, y],
      );
    return drawLines(chart, lines, frame(chart, width, ofSteps, makeAxis, part.x, height));
  };
  const unlabelled = { ...ticks, labels: [] };
  for (const [key, chart] of Object.entries(charts.above)) {
    const lines = series
      .filter((one) => one[key])
      .map((one) => ({ ...one, ...one[key], values: one[key].values.map(Number) }));
    chart.toggleAttribute("hidden", lines.length === 0);
    if (lines.length === 0) continue;
    const isPositive = lines.every(({ values }) => !values.some((value) => value <= 0));
    const ofLines = { logarithmic: isPositive, low: null, high: null };
    const { plot } = draw(chart, lines, ofLines, unlabelled, [0, 1], ABOVE_HEIGHT);
    const at = { x: plot.left + 8, y: plot.bottom - 6, class: "kind" };
    chart.append(svg("text", at, inWords(key)));
  }
  const lines = series.map((one) => ({
    ...one,
    steps: one.profiles.steps,
    values: valuesOf(one),
  }));
  const { plot, x } = draw(charts.main, lines, scale, ticks, part.y, HEIGHT);
  const spread = series.filter(({ histograms }) => histograms);
  charts.below.replaceChildren(
    ...spread.map(({ run, label, style, histograms }) => {
      const attributes = { class: "chart", "data-spread": run, "aria-hidden": "true" };
      const one = svg("svg", attributes);
      const all = spread.map((other) => other.histograms);
      const horizontal = { width, ticks: unlabelled, part: part.x };
      const { plot, inner } = drawDistribution(one, histograms, all, style, horizontal);
      inner.append(...verticals(plot));
      const at = { x: plot.left + 8, y: plot.bottom - 6, class: "kind" };
      one.append(svg("text", at, `${inWords(source)} values of ${label}`));
      return one;
    }),
  );
  const share = (pixels) => (pixels - plot.left) / (plot.right - plot.left);
  return { plot, x, steps, step: (pixels) => from + share(pixels) * (to - from) };
}

function drawLines(chart, lines, { plot, x, inner }) {
  inner.append(...verticals(plot));
  for (const { run, style, steps, values } of lines) {
    const places = Array.from(values, (value, record) => ({
      x: x(steps[record]),
      y: plot.axis.y(value),
      line: plot.axis.line(value),
      kind: plot.axis.kind(value),
    }));
    const group = svg("g", { class: style.hollow ? "run hollow" : "run" });
    group.style.setProperty("--colour", style.colour);
    group.append(
      svg("path", { class: "series", "data-run": run, d: linePath(places, plot.axis) }),
      svg("path", { class: "marks", d: thinned(places).map(glyph).join("") }),
    );
    inner.append(group);
  }
  return { plot, x };
}

/** The lines at the step that is shown, and at the one that is pointed at. */
function verticals({ top, bottom }) {
  return ["cursor", "guide"].map((name) =>
    svg("line", { class: name, y1: top, y2: bottom, visibility: "hidden" }),
  );
}

function valuesOf({ profiles, column }) {
  return Float32Array.from(
    profiles.steps,
    (_, record) => profiles.values[record * profiles.width + column],
  );
}

function thinned(places) {
  let last = -Infinity;
  return places.filter(({ x, kind }) => {
    if (!kind || x - last < MARK_GAP) return false;
    last = x;
    return true;
  });
}

function nearest(steps, wanted) {
  const before = Math.max(0, recordAt({ steps }, wanted));
  const isAfter = steps[before + 1] - wanted < wanted - steps[before];
  return isAfter ? before + 1 : before;
}

function readingAt({ series }, step) {
  const each = series.map((one) => {
    const record = recordAt(one.profiles, step);
    const others = ABOVE.flatMap((key) => {
      const at = one[key] ? recordAt(one[key], step) : -1;
      return at < 0 ? [] : [`${inWords(key)} ${inShort(Number(one[key].values[at]))}`];
    });
    const value = record < 0 ? "–" : inShort(valuesOf(one)[record]);
    return [`${one.label} ${value}`, ...others, ...spreadAt(one, step)].join(", ");
  });
  return `step ${step}: ${each.join("; ")}`;
}

/** The range of the middle half of the values, from the last histogram up to a step. */
function spreadAt({ histograms }, step) {
  const rows = histograms?.bins[recordAt(histograms, step)] ?? [];
  const [low, high] = [0.25, 0.75].map((share) => quantile(rows, share));
  if (Number.isNaN(low)) return [];
  return [`half of the values from ${inShort(low)} to ${inShort(high)}`];
}

/** A summary for screen readers: where each line begins, ends and breaks. */
function summary({ layer, series }) {
  const each = series.map((one) => {
    const values = valuesOf(one);
    const { steps } = one.profiles;
    const bad = values.findIndex((value) => !Number.isFinite(value));
    const broken = bad < 0 ? "" : `, ${inShort(values[bad])} from step ${steps[bad]}`;
    const at = (record) => `${inShort(values.at(record))} at step ${steps.at(record)}`;
    const spread = spreadAt(one, steps.at(-1)).map((words) => `, ${words}`);
    return `${one.label}: ${at(0)}, ${at(-1)}${broken}${spread}`;
  });
  return `${layer} over the steps. ${each.join(". ")}.`;
}
