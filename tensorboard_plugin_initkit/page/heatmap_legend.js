import { INFINITE, NAN, ZERO, css } from "./colour_scales.js";
import { html } from "./dom.js";
import { placeName, scaleTicks } from "./heatmap_layout.js";

/**
 * A color bar with its labels, and the colors of values without a place on it.
 * @param {{logarithmic: boolean, low: ?number, high: ?number}} given the scale; values
 *   may be beyond ends that are not null
 * @param {{logarithmic: boolean, low: number, high: number}} scale `given`, settled
 * @param {number[][]} shades from `shadesOf`
 * @returns {HTMLElement}
 */
export function createLegend(given, scale, shades) {
  const bar = html("div", { class: "heatmap-bar" });
  bar.style.background = `linear-gradient(to right, ${shades.map(css).join(", ")})`;
  for (const place of scaleTicks(scale)) {
    const name = nameOf(place, given, scale);
    const label = html("span", { class: "heatmap-tick" }, name);
    label.style.left = `${((place - scale.low) / (scale.high - scale.low)) * 100}%`;
    bar.append(label);
  }
  return html(
    "div",
    { class: "heatmap-legend" },
    bar,
    swatch("NaN", NAN),
    swatch("Inf", INFINITE),
    scale.logarithmic ? swatch("0", ZERO) : null,
  );
}

function nameOf(place, given, { logarithmic, low, high }) {
  const name = placeName(place, logarithmic);
  if (place === low && given.low !== null) return `≤ ${name}`;
  if (place === high && given.high !== null) return `≥ ${name}`;
  return name;
}

function swatch(name, colour) {
  const box = html("span", { class: "heatmap-swatch" });
  box.style.background = css(colour);
  return html("span", { class: "heatmap-key" }, box, name);
}
