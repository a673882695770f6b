/** A statistic of one layer over the steps: a line a run. */

import { recordAt } from "./data.js";
import { html, setAttributes, setText, svg, watchedWidth } from "./dom.js";
import { frame } from "./frame.js";
import { roundNumbers, valueAxis } from "./axis.js";
import { inShort } from "./numbers.js";
import { glyph, linePath } from "./paths.js";

const HEIGHT = 200;
const MARK_GAP = 12; // pixels between two marks of NaN, ∞ or 0

/**
 * @param {{onClose: function()}} listeners
 * @returns {{element: HTMLElement, update: function(object)}} `update` takes the
 *   `layer`'s name, the `series` of runs that have it, the `scale`, the `statistic` in
 *   words and the `step`
 */
export function createTimeSeries({ onClose }) {
  const title = html("h2", { id: "time-series-title" });
  const close = html(
    "button",
    { type: "button", class: "close", "aria-label": "Close" },
    "×",
  );
  const reading = html("p", { class: "reading" });
  const chart = svg("svg", { class: "chart", role: "img" });
  const element = html(
    "section",
    { id: "time-series", "aria-labelledby": "time-series-title", hidden: true },
    html("header", {}, title, close),
    chart,
    reading,
  );
  const width = watchedWidth(chart, () => props && draw());
  let props = null;
  let drawn = null;
  let opener = null; // where the keyboard was before
  const leave = () => {
    onClose();
    opener?.focus({ preventScroll: true });
  };
  close.addEventListener("click", leave);
  element.addEventListener("keydown", ({ key }) => key === "Escape" && leave());

  function update(next) {
    props = next;
    if (element.hidden) opener = document.activeElement;
    element.hidden = false;
    element.dataset.layer = props.layer;
    setText(title, `${props.layer}: ${props.statistic} over the steps`);
    draw();
  }

  function draw() {
    const key = [
      props.layer,
      props.scale,
      width(),
      ...props.series.map((s) => s.profiles),
    ];
    if (
      !drawn ||
      key.length !== drawn.key.length ||
      key.some((part, i) => part !== drawn.key[i])
    ) {
      drawn = { key, ...layOut(chart, props, width()) };
      chart.setAttribute("aria-label", summary(props));
      setText(reading, "");
    }
    const x = drawn.x(props.step);
    setAttributes(drawn.cursor, { x1: x, x2: x });
  }

  chart.addEventListener("pointermove", (event) => {
    const box = chart.getBoundingClientRect();
    const step = drawn.step(event.clientX - box.left);
    const x = drawn.x(step);
    setAttributes(drawn.guide, { x1: x, x2: x, visibility: "visible" });
    setText(reading, readingAt(props, step));
  });
  chart.addEventListener("pointerleave", () => {
    drawn.guide.setAttribute("visibility", "hidden");
    setText(reading, "");
  });

  return { element, update };
}

function layOut(chart, { layer, series, scale }, width) {
  const lines = series.map((one) => ({ ...one, values: valuesOf(one, layer) }));
  const steps = lines.flatMap(({ profiles }) => [
    profiles.steps[0],
    profiles.steps.at(-1),
  ]);
  const [low, high] = [Math.min(...steps), Math.max(...steps)];
  const ticks = {
    low,
    high,
    count: 0,
    slanted: false,
    labels: (high > low
      ? roundNumbers(low, high, Math.max(2, width / 110))
      : [low]
    ).map((at) => ({
      at,
      lines: [String(at)],
    })),
  };
  const { plot, x } = frame(
    chart,
    width,
    ticks,
    (top, bottom) =>
      valueAxis(
        scale,
        lines.map(({ values }) => rangeOf(values)),
        [],
        top,
        bottom,
      ),
    HEIGHT,
  );
  const vertical = (name) =>
    svg("line", { class: name, y1: plot.top, y2: plot.bottom });
  const cursor = vertical("cursor");
  const guide = vertical("guide");
  guide.setAttribute("visibility", "hidden");
  chart.append(cursor, guide);
  for (const { run, style, profiles, values } of lines) {
    const places = Array.from(values, (value, record) => ({
      x: x(profiles.steps[record]),
      y: plot.axis.y(value),
      kind: plot.axis.kind(value),
    }));
    const group = svg("g", { class: style.hollow ? "run hollow" : "run" });
    group.style.setProperty("--colour", style.colour);
    group.append(
      svg("path", { class: "series", "data-run": run, d: linePath(places) }),
      svg("path", { class: "marks", d: thinned(places).map(glyph).join("") }),
    );
    chart.append(group);
  }
  const share = (pixels) => (pixels - plot.left) / (plot.right - plot.left);
  return {
    x,
    cursor,
    guide,
    step: (pixels) => nearestStep(lines, low + share(pixels) * (high - low)),
  };
}

function valuesOf({ profiles, layers }, layer) {
  const column = layers.indexOf(layer);
  return Float32Array.from(
    profiles.steps,
    (_, record) => profiles.values[record * profiles.width + column],
  );
}

function rangeOf(values) {
  const finite = values.filter(Number.isFinite);
  const positive = finite.filter((value) => value > 0);
  return {
    low: Math.min(...finite),
    high: Math.max(...finite),
    lowPositive: Math.min(...positive),
    nan: values.some(Number.isNaN),
    infinite: values.some((value) => Math.abs(value) === Infinity),
    nonpositive: finite.length > positive.length,
  };
}

function thinned(places) {
  let last = -Infinity;
  return places.filter(({ x, kind }) => {
    if (!kind || x - last < MARK_GAP) return false;
    last = x;
    return true;
  });
}

function nearestStep(lines, wanted) {
  let best = lines[0].profiles.steps[0];
  for (const { profiles } of lines) {
    const record = recordAt(profiles, wanted);
    for (const step of [profiles.steps[record], profiles.steps[record + 1]]) {
      if (step !== undefined && Math.abs(step - wanted) < Math.abs(best - wanted)) {
        best = step;
      }
    }
  }
  return best;
}

function readingAt({ layer, series }, step) {
  const each = series.map((one) => {
    const record = recordAt(one.profiles, step);
    return `${one.label} ${record < 0 ? "–" : inShort(valuesOf(one, layer)[record])}`;
  });
  return `step ${step}:  ${each.join("   ")}`;
}

/** For who does not see the lines: where each begins, ends and breaks. */
function summary({ layer, series }) {
  const each = series.map((one) => {
    const values = valuesOf(one, layer);
    const { steps } = one.profiles;
    const bad = values.findIndex((value) => !Number.isFinite(value));
    const broken = bad < 0 ? "" : `, ${inShort(values[bad])} from step ${steps[bad]}`;
    const at = (record) => `${inShort(values.at(record))} at step ${steps.at(record)}`;
    return `${one.label}: ${at(0)}, ${at(-1)}${broken}`;
  });
  return `${layer} over the steps. ${each.join(". ")}.`;
}
