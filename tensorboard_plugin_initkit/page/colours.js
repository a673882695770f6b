/** The colours of the runs. The heatmaps' are in colour_scales.js. */

/**
 * Okabe and Ito's palette (2008), which colour-blind people tell apart, with each
 * colour darkened or lightened until it has a contrast of 3 to 1 to the page.
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

/**
 * How a run is drawn; beyond the eighth with hollow points and dashes and dots.
 * @param {number} index of the run in the list of all runs
 * @returns {{colour: string, hollow: boolean}} the colour as CSS has it, in both themes
 */
export function runStyle(index) {
  return {
    colour: `var(--run-${index % RUN_COLOURS.length})`,
    hollow: index >= RUN_COLOURS.length,
  };
}

/** Sets the theme of the page. */
export function setTheme(dark) {
  const root = document.documentElement;
  root.classList.toggle("dark", dark);
  for (const [i, colour] of RUN_COLOURS.entries()) {
    root.style.setProperty(`--run-${i}`, dark ? colour.dark : colour.light);
  }
}
