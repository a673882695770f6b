/** A few words beside a point of a chart. */

import { setAttributes, svg } from "./dom.js";

const HEIGHT = 24;
const PADDING = 8;
const AWAY = 12; // pixels from the point

/**
 * @returns {{element: SVGElement, show: function(string, object), hide: function()}}
 *   `show` takes the words, and the place: `x`, `y`, and the edges `left`, `right` and
 *   `top` of the plot, in pixels
 */
export function createTip() {
  const box = svg("rect", { height: HEIGHT, rx: 4 });
  const text = svg("text", { x: PADDING, y: 16 });
  const attributes = { class: "tip", visibility: "hidden", "aria-hidden": "true" };
  const element = svg("g", attributes, box, text);
  const show = (words, { x, y, left, right, top }) => {
    text.textContent = words;
    const width = text.getComputedTextLength() + 2 * PADDING;
    const start = Math.max(left, Math.min(right - width, x - width / 2));
    const above = y - AWAY - HEIGHT;
    const upper = above < top ? y + AWAY : above;
    box.setAttribute("width", width);
    setAttributes(element, {
      visibility: "visible",
      transform: `translate(${start.toFixed(1)},${upper.toFixed(1)})`,
    });
  };
  return { element, show, hide: () => element.setAttribute("visibility", "hidden") };
}
