/** The parts of a profile chart, and their movement. */

import { columnOf, recordAt, rowOf } from "./data.js";
import { setAttributes, svg } from "./dom.js";
import { EDGE, frame, layerTicks } from "./frame.js";
import { kindsOf } from "./layers.js";
import { valueAxis } from "./axis.js";
import { inShort } from "./numbers.js";
import { glyph, linePath } from "./paths.js";
import { createTip } from "./tip.js";

const ASIDE = 3.5; // pixels between the runs in a row for values without a place
const ASIDE_LABEL = [-9, 17]; // alternating offsets of a kind's name in pixels
const CROWDED = 9; // below this distance of layers in pixels, lines are enough
const DOT = "h0"; // makes a line with one place visible
const HIDDEN = { visibility: "hidden" };
const ROOM = 14; // pixels for all of them there

/**
 * Draws the parts that stand still, and makes those that will move.
 * @param {SVGElement} element is emptied
 * @param {object} props of the chart, see profile_chart.js
 * @param {number} width pixels
 * @param {Part} part see zoom.js
 * @returns {object} `plot`, its edges and axis; `guide` and `tip`, for the active point;
 *   `points`, for each run and layer the `circle`, its place, and whether it is `shown`;
 *   and what `move` needs
 */
export function layOut(element, { series, scale, lines }, width, part) {
  const { names, numbers } = layersOf(series);
  const intended = series.flatMap(({ profiles }) => [...profiles.intended]);
  const makeAxis = (top, bottom) => {
    const values = series.map(({ profiles }) => profiles.values);
    return valueAxis(scale, values, intended, top, bottom, part.y);
  };
  const ticks = layerTicks(names, width, numbers, part.x);
  const { plot, xs, inner } = frame(element, width, ticks, makeAxis, part.x);
  const vertical = (name) =>
    svg("line", { class: name, y1: plot.top, y2: plot.bottom, visibility: "hidden" });
  const guide = vertical("guide");
  const cursor = vertical("cursor");
  element.append(cursor, guide);
  const runs = series.map((one, index) => {
    const group = svg("g", { class: one.style.hollow ? "run hollow" : "run" });
    group.style.setProperty("--colour", one.style.colour);
    const line = (name) => svg("path", { class: name, "data-run": one.run });
    const intended = line("intended");
    const start = line("start");
    const profile = line("profile");
    const marks = svg("path", { class: "marks" });
    const shown = one.layers.length * (part.x[1] - part.x[0]);
    const isCrowded = shown * CROWDED > plot.right - plot.left;
    group.classList.toggle("crowded", isCrowded);
    const radius = isCrowded ? 2.2 : 3.6;
    const circles = one.layers.map((layer, i) =>
      svg("circle", {
        class: "point",
        cx: xs[i],
        r: radius,
        role: "button",
        tabindex: "-1",
        "data-run": one.run,
        "data-layer": layer,
      }),
    );
    group.append(intended, start, profile, marks, ...circles);
    inner.append(group);
    const aside =
      (index - (series.length - 1) / 2) * Math.min(ASIDE, ROOM / series.length);
    const place = (values) =>
      Array.from(values, (value, layer) => {
        const found = plot.axis.kind(value);
        const kind = found && !one.profiles.measured[layer] ? "unmeasured" : found;
        const y = plot.axis.y(value) + (kind ? aside : 0);
        return { x: xs[layer], y, line: plot.axis.line(value), kind };
      });
    const kinds = lines === "kind" ? kindsOf(one.layers) : [{ places: [...xs.keys()] }];
    const path = (at) =>
      kinds
        .map(({ places }) => places.map((i) => at[i]).filter(Boolean))
        .map((ofKind) => linePath(ofKind, plot.axis).replace(/^M[^L]*$/, `$&${DOT}`))
        .join("");
    const labels = index > 0 || kinds.length < 2 ? [] : kinds.map(kindLabel);
    inner.append(...labels.map(({ text }) => text));
    intended.setAttribute("d", path(place(one.profiles.intended)));
    start.setAttribute("d", path(place(rowOf(one.profiles, 0))));
    return { ...one, group, profile, marks, circles, place, path, labels };
  });
  const points = runs.map(({ circles }) =>
    circles.map((circle, layer) => ({ circle, x: xs[layer], y: 0, shown: null })),
  );
  const tip = createTip();
  element.append(tip.element);
  return { plot, xs, cursor, guide, tip, runs, points };
}

/** Moves the lines and the points to a step. */
export function move(drawn, { series, step, layer: open }) {
  const x = drawn.xs[series.map((one) => columnOf(open, one, series)).find((i) => i >= 0)];
  setAttributes(
    drawn.cursor,
    x === undefined ? HIDDEN : { x1: x, x2: x, visibility: "visible" },
  );
  for (const [index, run] of drawn.runs.entries()) {
    const record = recordAt(run.profiles, step);
    const values = record < 0 ? [] : rowOf(run.profiles, record);
    const places = run.place(values);
    run.group.classList.toggle("absent", record < 0);
    run.profile.setAttribute("d", run.path(places));
    run.marks.setAttribute("d", places.map(glyph).join(""));
    for (const [i, { text, last }] of run.labels.entries()) {
      const { x, y, kind } = places[last] ?? { kind: "absent" };
      const shown = { x, y: y + ASIDE_LABEL[i % 2], visibility: "visible" };
      setAttributes(text, kind ? HIDDEN : shown);
    }
    const { ownNames = run.layers } = run;
    const recorded = run.profiles.steps[record];
    const at = `${run.label}, step ${recorded}`;
    for (const [layer, point] of drawn.points[index].entries()) {
      const isShown = record >= 0 && isInside(places[layer], drawn.plot);
      if (isShown !== point.shown) {
        point.shown = isShown;
        setAttributes(point.circle, { visibility: isShown ? null : "hidden" });
      }
      if (!isShown) continue;
      const value = values[layer];
      const words = inTheseWords(value, run.profiles.measured[layer]);
      const isBad = recorded >= run.faults.get(run.layers[layer]);
      movePoint(point, places[layer], isBad);
      point.circle.setAttribute("data-value", value);
      const name = `${ownNames[layer]}${isBad ? ", at fault" : ""}`;
      point.circle.setAttribute("aria-label", `${at}, ${name}: ${words}`);
    }
  }
}

function isInside({ x, y, kind }, { left, right, axis }) {
  const isAcross = x >= left - EDGE && x <= right + EDGE;
  return isAcross && (kind !== null || (y >= axis.top - EDGE && y <= axis.bottom + EDGE));
}

/** The name of a kind, beside the last of its layers. */
function kindLabel({ kind, places }) {
  const text = svg("text", { class: "kind", "text-anchor": "end" }, kind);
  text.toggleAttribute("hidden", places.length < 2);
  return { text, last: places.at(-1) };
}

function movePoint(point, { y, kind }, isBad) {
  point.y = y;
  point.circle.setAttribute("cy", y);
  if (kind === point.kind && isBad === point.isBad) return;
  Object.assign(point, { kind, isBad });
  setAttributes(point.circle, { "data-kind": kind, "data-fault": isBad });
}

/** A value in short, if there is one. */
export function inTheseWords(value, isMeasured) {
  return isMeasured ? inShort(value) : "not measured";
}

/** The numbers of the layers, and up to two names that the runs give each. */
function layersOf(series) {
  const numbers = series.reduce((best, { layers, numbers = [...layers.keys()] }) => {
    return numbers.length > best.length ? numbers : best;
  }, []);
  const names = numbers.map((_, i) => {
    const all = new Set(series.flatMap(({ layers }) => layers.slice(i, i + 1)));
    return [...all].slice(0, 2).join(" / ");
  });
  return { names, numbers };
}
