/** The frame of a chart: its grid, its ticks and their labels. */

import { shortened } from "./numbers.js";
import { svg } from "./dom.js";

export const EDGE = 8; // pixels around the plot in which points still show
const LEFT = 52;
const RIGHT = 14;
const TOP = 8;
const PLOT = { wide: 320, narrow: 260 }; // pixels high
const NARROW = 600;
const LETTER = 6.1; // pixels per letter in 11 pixel type
const MOST_LETTERS = 18;

/**
 * Empties a chart and draws its frame.
 *
 * @param {SVGElement} element
 * @param {number} width pixels
 * @param {Ticks} ticks of the horizontal axis
 * @param {(top: number, bottom: number) => Axis} makeAxis
 * @param {number[]} part the start and end of the horizontal axis's shown part, as
 *   shares of the whole
 * @param {number} tall height of the plot in pixels, or null for the default
 * @returns {{plot: object, xs: number[], x: function(number): number, inner: SVGElement}}
 *   `plot`: its edges and its `axis`; `xs`: the places of the layers; `inner`: for
 *   content that is cut off at the edges
 *
 * @typedef {object} Ticks
 * @property {number} low the lowest value along the axis; `high` likewise
 * @property {{at: number, lines: string[]}[]} labels
 * @property {boolean} slanted
 * @property {number} count the number of places along the axis
 */
export function frame(element, width, ticks, makeAxis, part = [0, 1], tall = null) {
  const left = LEFT;
  const right = Math.max(left + 40, width - RIGHT);
  const bottom = TOP + (tall ?? (width < NARROW ? PLOT.narrow : PLOT.wide));
  const height = bottom + belowAxis(ticks);
  const axis = makeAxis(TOP, bottom);
  const room = ticks.count > 1 ? Math.min(24, (right - left) / ticks.count / 2) : 0;
  const [from, to] = part.map((share) => left + share * (right - left));
  const unzoomed = (value) =>
    ticks.high === ticks.low
      ? (left + right) / 2
      : left +
        room +
        ((value - ticks.low) / (ticks.high - ticks.low)) * (right - left - 2 * room);
  const x = (value) => left + ((unzoomed(value) - from) / (to - from)) * (right - left);

  element.replaceChildren();
  element.setAttribute("viewBox", `0 0 ${width} ${height}`);
  element.setAttribute("height", height);
  const grid = svg("g", { class: "grid", "aria-hidden": "true" });
  for (const { y, label, row } of axis.ticks) {
    grid.append(
      svg("line", { x1: left, x2: right, y1: y, y2: y, class: row ? "row" : "tick" }),
      svg("text", { x: left - 8, y: y + 4, "text-anchor": "end" }, label),
    );
  }
  for (const { at, lines } of ticks.labels) {
    if (x(at) < left - 1 || x(at) > right + 1) continue;
    grid.append(...tickLabel(x(at), bottom, lines, ticks.slanted));
  }
  const [start, across] = [left - EDGE, right - left + 2 * EDGE];
  const inner = svg("svg", {
    ...{ x: start, y: 0, width: across, height: bottom + EDGE },
    viewBox: `${start} 0 ${across} ${bottom + EDGE}`,
  });
  element.append(grid, inner);
  return {
    plot: { left, right, top: TOP, bottom, axis },
    xs: Array.from({ length: ticks.count }, (_, i) => x(i)),
    x,
    inner,
  };
}

/**
 * The ticks of layers: number and name, slanted, shortened and thinned out as needed.
 * @param {string[]} names in the order of depth; "" for a number alone
 * @param {number} width of the chart, pixels
 * @param {number[]} numbers of the layers
 * @param {number[]} part as in `frame`
 * @returns {Ticks}
 */
export function layerTicks(names, width, numbers, [from, to] = [0, 1]) {
  const shown = Math.max(1, names.length * (to - from));
  const space = (width - LEFT - RIGHT) / shown;
  const short = names.map((name) => shortened(name, MOST_LETTERS));
  const longest = Math.max(1, ...short.map((name) => name.length));
  const slanted = longest * LETTER + 8 > space && longest > 1;
  const every = roundUp(slanted ? 18 / space : 26 / space);
  const labels = [...names.keys()]
    .filter((i) => i % every === 0)
    .map((at) => ({
      at,
      lines: slanted
        ? [`${numbers[at]} ${short[at]}`.trim()]
        : [String(numbers[at]), short[at]],
    }));
  return {
    low: 0,
    high: Math.max(0, names.length - 1),
    count: names.length,
    labels,
    slanted,
  };
}

function tickLabel(x, bottom, lines, slanted) {
  if (slanted) {
    const turn = `rotate(-42 ${x} ${bottom + 14})`;
    return [
      svg(
        "text",
        { x, y: bottom + 16, "text-anchor": "end", transform: turn },
        lines[0],
      ),
    ];
  }
  return lines.map((line, i) =>
    svg("text", { x, y: bottom + 18 + 15 * i, "text-anchor": "middle" }, line),
  );
}

function belowAxis({ labels, slanted }) {
  if (labels.length === 0) return EDGE;
  const longest = Math.max(0, ...labels.map(({ lines }) => lines[0].length));
  const lines = Math.max(
    1,
    ...labels.map((label) => label.lines.filter(Boolean).length),
  );
  return slanted
    ? 24 + longest * LETTER * Math.sin((42 * Math.PI) / 180)
    : 12 + 15 * lines;
}

/** The next of 1, 2, 5, 10, 20, ... */
function roundUp(number) {
  let power = 1;
  for (;;) {
    for (const factor of [1, 2, 5]) if (factor * power >= number) return factor * power;
    power *= 10;
  }
}
