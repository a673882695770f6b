/** Lines over steps or layers, on the axes of the tab's charts. */

import { roundNumbers, valueAxis } from "/charts/axis.js";
import { html, svg, watchedWidth } from "/charts/dom.js";
import { frame } from "/charts/frame.js";
import { glyph, linePath } from "/charts/paths.js";

const HEIGHT = 150;
const TICK_WIDTH = 70; // the least width of a number below the chart in pixels

/**
 * @param {string} title
 * @returns {{element: HTMLElement, update: (lines: Line[], scale: object) => void}}
 *   `scale` as in the tab's axes: `logarithmic`, and `low` and `high`, or null
 *
 * @typedef {{kind: string, xs: number[], ys: number[]}} Line `kind` is "measured" or
 *   "theory"; a `y` may be NaN, infinite, and 0 on a logarithmic axis
 */
export function createLineChart(title) {
  const chart = svg("svg", { class: "chart", role: "img" });
  const element = html("figure", { class: "line-chart" }, html("h3", {}, title), chart);
  let drawn = null;
  const width = watchedWidth(chart, () => drawn && draw());

  function update(lines, scale) {
    drawn = { lines, scale };
    draw();
  }

  function draw() {
    const { lines, scale } = drawn;
    const all = lines.flatMap(({ xs }) => xs);
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const most = Math.max(1, Math.floor(width() / TICK_WIDTH) - 1);
    const places = high > low ? roundNumbers(low, high, most) : [low];
    const labels = places
      .filter(Number.isInteger)
      .map((at) => ({ at, lines: [String(at)] }));
    const ticks = { low, high, count: 0, slanted: false, labels };
    const values = lines.map(({ ys }) => ys);
    const makeAxis = (top, bottom) => valueAxis(scale, values, [], top, bottom);
    const { plot, x } = frame(chart, width(), ticks, makeAxis, undefined, HEIGHT);
    for (const { kind, xs, ys } of lines) {
      const points = ys.map((value, i) => ({
        x: x(xs[i]),
        y: plot.axis.y(value),
        line: plot.axis.line(value),
        kind: plot.axis.kind(value),
      }));
      const path = (name, d) => svg("path", { class: name, d });
      chart.append(
        svg(
          "g",
          { class: `run ${kind}` },
          path("series", linePath(points, plot.axis)),
          path("marks", points.map(glyph).join("")),
        ),
      );
    }
    chart.setAttribute("aria-label", `${title}: ${lines.map(inWords).join("; ")}`);
  }

  return { element, update };
}

function inWords({ kind, xs, ys }) {
  const at = (i) => `${ys.at(i)} at ${xs.at(i)}`;
  return `${kind}, ${at(0)}, ${at(-1)}`;
}
