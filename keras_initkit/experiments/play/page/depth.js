/** Scene 2: the variance of signal and gradient over depth, measured and in theory. */

import { html } from "/charts/dom.js";
import { createLineChart } from "./line_chart.js";

const VARIANCE = { logarithmic: true, low: null, high: null };
const CHARTS = {
  signal: "Variance of the signal z, over the layers",
  gradient: "Variance of its gradient, over the layers",
};

/** As in plane.js. */
export function createPanel() {
  const charts = Object.entries(CHARTS).map(([key, title]) => [
    key,
    createLineChart(`${title} (dashed: theory at the start)`),
  ]);
  const element = html("div", {}, ...charts.map(([, { element }]) => element));

  function update(run) {
    for (const [key, chart] of charts) {
      const lines = ["theory", "measured"].map((kind) => {
        const ys = run[key][kind].map(Number);
        return { kind, xs: ys.map((_, i) => i + 1), ys };
      });
      chart.update(lines, VARIANCE);
      chart.element.dataset.measured = lines[1].ys.join(" ");
      chart.element.dataset.theory = lines[0].ys.join(" ");
      chart.element.dataset.of = key;
    }
  }

  return { element, update };
}
