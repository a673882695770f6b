/** The colors of the runs. For those of heatmaps, see colour_scales.js. */

import { html } from "./dom.js";

/**
 * Okabe and Ito's palette (2008), which works with any color vision. Each color is
 * darkened or lightened until its contrast to the page is 3 to 1.
 */
export const RUN_COLOURS = [
  { light: "#0072b2", dark: "#4ba3e3" }, // blue
  { light: "#d55e00", dark: "#ff8a3d" }, // vermillion
  { light: "#00875f", dark: "#2fc79a" }, // bluish green
  { light: "#b8578f", dark: "#e79ac4" }, // reddish purple
  { light: "#a87400", dark: "#f0b429" }, // orange
  { light: "#3a8fc0", dark: "#a3dcff" }, // sky blue
  { light: "#857a00", dark: "#f0e442" }, // yellow
  { light: "#3c4043", dark: "#e8eaed" }, // black
];

const places = new Map(); // in the palette, by name, so a run keeps its color

/**
 * The style of a run; after the eighth, with hollow points, dashes and dots.
 * @param {string} name of the run
 * @returns {{colour: string, hollow: boolean}} the color in CSS, in both themes
 */
export function runStyle(name) {
  if (!places.has(name)) places.set(name, places.size);
  const place = places.get(name);
  return {
    colour: `var(--run-${place % RUN_COLOURS.length})`,
    hollow: place >= RUN_COLOURS.length,
  };
}

/** The swatch of a run, in its color. */
export function swatchOf({ style }) {
  const swatch = html("span", { class: style.hollow ? "swatch hollow" : "swatch" });
  swatch.style.setProperty("--colour", style.colour);
  return swatch;
}

/** Sets the theme of the page. */
export function setTheme(dark) {
  const root = document.documentElement;
  root.classList.toggle("dark", dark);
  for (const [i, colour] of RUN_COLOURS.entries()) {
    root.style.setProperty(`--run-${i}`, dark ? colour.dark : colour.light);
  }
}
