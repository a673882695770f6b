/** A few lines beside a point of a chart. */

import { setAttributes, svg } from "./dom.js";

const LINE = 17; // pixels
const PADDING = 8;
const AWAY = 12; // pixels from the point

/**
 * @returns {{element: SVGElement, show: function(object[], object), hide: function()}}
 *   `show` takes the lines, each with its `words`, maybe the `style` of a run, and
 *   whether it `isStrong`; and the place: `x`, `y`, and the edges `left`, `right`,
 *   `top` and `bottom` of the plot, in pixels
 */
export function createTip() {
  const box = svg("rect", { rx: 4 });
  const text = svg("text");
  const attributes = { class: "tip", visibility: "hidden", "aria-hidden": "true" };
  const element = svg("g", attributes, box, text);
  const show = (lines, { x, y, left, right, top, bottom }) => {
    text.replaceChildren(...lines.map(lineOf));
    const width = text.getBBox().width + 2 * PADDING;
    const height = lines.length * LINE + PADDING;
    const start = Math.max(left, Math.min(right - width, x - width / 2));
    const above = y - AWAY - height;
    const below = Math.min(y + AWAY, Math.max(top, bottom - height));
    const upper = above < top ? below : above;
    setAttributes(box, { width, height });
    setAttributes(element, {
      visibility: "visible",
      transform: `translate(${start.toFixed(1)},${upper.toFixed(1)})`,
    });
  };
  return { element, show, hide: () => element.setAttribute("visibility", "hidden") };
}

function lineOf({ words, style, isStrong }, number) {
  const y = PADDING / 2 + LINE * number + 12;
  const mark = style ? svg("tspan", {}, style.hollow ? "○ " : "● ") : null;
  if (mark) mark.style.fill = style.colour;
  return svg("tspan", { x: PADDING, y, class: isStrong ? "strong" : null }, mark, words);
}
