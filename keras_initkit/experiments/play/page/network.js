/** Draws a network: a circle for each unit, a line for each weight. */

import { colourOf, css, settle, shadesOf } from "/charts/colour_scales.js";
import { html, setAttributes, svg } from "/charts/dom.js";
import { inShort } from "/charts/numbers.js";

const WIDTH = 460;
const ROW = 34;
const MARGIN = 24;
const THICKEST = 4; // width in pixels of the largest weight in a layer
const FAINT = 0.1; // share of the largest weight
const BOW = 0.45; // width of an arc, as a share of the distance between equal units
const LINEAR = { logarithmic: false, low: null, high: null };

/**
 * @returns {{element: HTMLElement, update: (run: object, by: string, dark: boolean) =>
 *   void}} `run` is from a frame; `by` is "weights" or "gradients", which color the lines
 */
export function createNetwork() {
  const chart = svg("svg", { class: "network", role: "img" });
  let sizes = "";
  let edges = []; // for each layer, each input, each unit
  let nodes = []; // places of the units of each layer
  let arcs = null;

  function update(run, by, dark) {
    const kernels = run.weights;
    const counts = [kernels[0].length, ...kernels.map((kernel) => kernel[0].length)];
    if (String(counts) !== sizes) {
      sizes = String(counts);
      layOut(counts);
    }
    const shades = shadesOf(true, dark);
    for (const [layer, kernel] of run[by].entries()) {
      const numbers = kernel.map((row) => row.map(Number));
      const scale = settle(LINEAR, numbers.flat(), true);
      for (const [i, row] of numbers.entries()) {
        for (const [j, value] of row.entries()) {
          const size = Math.abs(value) / scale.high;
          setAttributes(edges[layer][i][j], {
            // A line should still show if its color on the scale is that of the page.
            stroke: size < FAINT ? "var(--line)" : css(colourOf(value, scale, shades)),
            "stroke-width": Number.isFinite(size) ? 0.5 + THICKEST * size : THICKEST,
          });
        }
      }
    }
    arcs.replaceChildren(...run.equal.flatMap(arcsOf));
    const groups = run.equal.flat().length;
    const largest = Math.max(...run[by].flat(2).map((one) => Math.abs(Number(one))));
    chart.setAttribute(
      "aria-label",
      `The network, layer by layer ${counts.join(", ")} units. Largest of the ${by}: ` +
        `${inShort(largest)}. Groups of equal units: ${groups}.`,
    );
    chart.dataset.by = by;
    chart.dataset.equal = groups;
  }

  function layOut(counts) {
    const height = ROW * Math.max(...counts) + 2 * MARGIN - ROW;
    const across = (WIDTH - 2 * MARGIN) / (counts.length - 1);
    nodes = counts.map((count, layer) =>
      Array.from({ length: count }, (_, i) => ({
        x: MARGIN + across * layer,
        y: height / 2 + ROW * (i - (count - 1) / 2),
      })),
    );
    edges = nodes.slice(1).map((units, layer) =>
      nodes[layer].map((from) =>
        units.map((to) =>
          svg("line", { class: "edge", x1: from.x, y1: from.y, x2: to.x, y2: to.y }),
        ),
      ),
    );
    arcs = svg("g", { class: "equal" });
    const circles = nodes.flat().map(({ x, y }) => svg("circle", { cx: x, cy: y, r: 7 }));
    chart.setAttribute("viewBox", `0 0 ${WIDTH} ${height}`);
    chart.replaceChildren(
      ...edges.flat(2),
      arcs,
      svg("g", { class: "units" }, ...circles),
    );
  }

  /** Joins the units of each group in a hidden layer, one to the next. */
  function arcsOf(groups, hidden) {
    return groups.flatMap((group) =>
      group.slice(1).map((unit, i) => {
        const from = nodes[hidden + 1][group[i]];
        const to = nodes[hidden + 1][unit];
        const wide = BOW * (to.y - from.y);
        const d = `M${from.x},${from.y} Q${from.x + wide},${(from.y + to.y) / 2} ${to.x},${to.y}`;
        return svg("path", { d });
      }),
    );
  }

  return { element: html("div", { class: "network-frame" }, chart), update };
}
