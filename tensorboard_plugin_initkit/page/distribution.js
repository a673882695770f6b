/** The distribution of one layer's values at each step; more values are darker. */

import { valueAxis } from "./axis.js";
import { setAttributes, svg } from "./dom.js";
import { frame } from "./frame.js";

const HEIGHT = 120;
const SHADES = 8;
const ALONE = 20; // pixels of a step without a neighbor
const LEFT = 0; // the order in a bin, as in histograms.py
const RIGHT = 1;
const COUNT = 2;
const SCALE = { logarithmic: false, low: null, high: null, signed: true };

/**
 * Draws the histograms of one run.
 *
 * @typedef {object} Histograms
 * @property {number[]} steps ascending
 * @property {number[][][]} bins of each step; a bin is its edges and its count
 *
 * @param {SVGElement} chart emptied first
 * @param {Histograms} histograms
 * @param {Histograms[]} all those of all shown runs, which share an axis
 * @param {object} style of the run
 * @param {object} horizontal the `width` in pixels, and the `ticks` and the `part` of the
 *   axis of steps, see frame.js
 * @returns {{plot: object, x: function(number): number, inner: SVGElement}} see frame.js
 */
export function drawDistribution(chart, histograms, all, style, { width, ticks, part }) {
  const edges = all.map(({ bins }) =>
    bins.flatMap((rows) => rows.flatMap((bin) => [bin[LEFT], bin[RIGHT]])),
  );
  const makeAxis = (top, bottom) => valueAxis(SCALE, edges, [], top, bottom);
  const drawn = frame(chart, width, ticks, makeAxis, part, HEIGHT);
  const { plot, x, inner } = drawn;
  const paths = Array(SHADES).fill("");
  const { steps, bins } = histograms;
  for (const [i, rows] of bins.entries()) {
    const column = columnOf(steps.map(x), i);
    const from = Math.max(plot.left, column[0]);
    const to = Math.min(plot.right, column[1]);
    if (from >= to) continue;
    const places = rows.map((bin) => {
      const [top, bottom] = [plot.axis.y(bin[RIGHT]), plot.axis.y(bin[LEFT])];
      return { top, bottom, density: bin[COUNT] / Math.max(1, bottom - top) };
    });
    const most = Math.max(...places.map(({ density }) => density));
    for (const { top, bottom, density } of places) {
      if (density === 0) continue;
      const [across, along] = [to - from, Math.max(1, bottom - top)];
      paths[Math.ceil((density / most) * SHADES) - 1] +=
        `M${from.toFixed(1)},${top.toFixed(1)}` +
        `h${across.toFixed(1)}v${along.toFixed(1)}h${(-across).toFixed(1)}z`;
    }
  }
  const group = svg("g", { class: "distribution" });
  group.style.setProperty("--colour", style.colour);
  for (const [i, d] of paths.entries()) {
    group.append(svg("path", { d, "fill-opacity": (i + 1) / SHADES }));
  }
  inner.append(group);
  setAttributes(chart, { "data-steps": steps.length });
  return drawn;
}

/** The left and right end of a step: halfway to its neighbors. */
function columnOf(places, i) {
  const [here, before, after] = [places[i], places[i - 1], places[i + 1]];
  const half = (after ?? here + ALONE) - here;
  const left = (here + (before ?? here - half)) / 2;
  const right = (here + (after ?? 2 * here - (before ?? here - ALONE))) / 2;
  return [left, right];
}

/**
 * The value below which a share of all values lies, if each bin is evenly spread.
 * @param {number[][]} rows the bins of a step
 * @param {number} share 0 to 1
 * @returns {number} NaN without values
 */
export function quantile(rows, share) {
  let rest = share * rows.reduce((sum, bin) => sum + bin[COUNT], 0);
  for (const bin of rows) {
    if (bin[COUNT] > 0 && rest <= bin[COUNT]) {
      return bin[LEFT] + (rest / bin[COUNT]) * (bin[RIGHT] - bin[LEFT]);
    }
    rest -= bin[COUNT];
  }
  return NaN;
}
