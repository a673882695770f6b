// Maps a value to its color. A color is [red, green, blue], each 0 to 255.

const fromHex = (hex) =>
  [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));

// The same as in colours.py, which the images use.
const VIRIDIS = [
  ...["#440154", "#48186a", "#472d7b", "#424086", "#3b528b", "#33638d"],
  ...["#2c728e", "#26828e", "#21918c", "#1fa088", "#28ae80", "#3fbc73"],
  ...["#5ec962", "#84d44b", "#addc30", "#d8e219", "#fde725"],
].map(fromHex);
// After RdBu of ColorBrewer (Brewer, 2003), with ends that differ from INFINITE.
const BLUE_WHITE_RED = [
  ...["#2f72b5", "#6fa9d3", "#a9cde4", "#d7e7f1", "#f7f7f7"],
  ...["#fbdfd0", "#f5b99e", "#e88d72", "#d6604d"],
].map(fromHex);
const BLUE_DARK_RED = [
  ...["#9fd0ff", "#559fe6", "#2f68a3", "#25405c", "#2b2b2b"],
  ...["#5a3128", "#a04630", "#e56d50", "#ffb49d"],
].map(fromHex);

/** The colors of values without a place on a scale. */
export const NAN = fromHex("#df20ff");
export const INFINITE = fromHex("#d00000");
export const ZERO = fromHex("#000000");

const SHADES = 256;

function between(anchors, t) {
  const place = Math.min(Math.max(t, 0), 1) * (anchors.length - 1);
  const first = Math.min(Math.floor(place), anchors.length - 2);
  const [from, to] = [anchors[first], anchors[first + 1]];
  return from.map((part, i) => Math.round(part + (to[i] - part) * (place - first)));
}

/**
 * Viridis (van der Walt & Smith, 2015).
 * @param {number} t from 0, the lowest, to 1, the highest; beyond, the end's color
 * @returns {number[]} the color
 */
const sequential = (t) => between(VIRIDIS, t);

/**
 * Blue below the middle, red above it; the middle is near the page's background.
 * @param {number} t from 0 to 1, with the middle at 0.5
 * @param {boolean} dark whether the page is dark
 * @returns {number[]} the color
 */
const divergingColour = (t, dark) =>
  between(dark ? BLUE_DARK_RED : BLUE_WHITE_RED, t);

/**
 * The shades of a scale, lowest first, for `colourOf`.
 * @param {boolean} diverging
 * @param {boolean} dark
 * @returns {number[][]} 256 colors
 */
export const shadesOf = (diverging, dark) =>
  Array.from({ length: SHADES }, (_, i) =>
    diverging ? divergingColour(i / (SHADES - 1), dark) : sequential(i / (SHADES - 1)),
  );

/**
 * The color in CSS.
 * @param {number[]} colour
 * @returns {string} such as "rgb(68 1 84)"
 */
export const css = (colour) => `rgb(${colour.join(" ")})`;

/**
 * The scale with both ends. A null end becomes the smallest or largest finite value. A
 * diverging scale is symmetric around 0 (log10 of 1).
 * @param {{logarithmic: boolean, low: ?number, high: ?number}} scale
 * @param {ArrayLike<number>} values
 * @param {boolean} diverging
 * @returns {{logarithmic: boolean, low: number, high: number}} `low` < `high`; log10 of
 *   values if the scale is logarithmic
 */
export function settle({ logarithmic, low, high }, values, diverging) {
  let [least, most] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i++) {
    const place = logarithmic ? Math.log10(values[i]) : values[i];
    if (!Number.isFinite(place)) continue;
    if (place < least) least = place;
    if (place > most) most = place;
  }
  if (least > most) [least, most] = [0, 0];
  if (diverging) {
    most = Math.max(Math.abs(low ?? least), Math.abs(high ?? most));
    return { logarithmic, low: -most || -1, high: most || 1 };
  }
  const ends = [low ?? least, high ?? most];
  if (ends[0] < ends[1]) return { logarithmic, low: ends[0], high: ends[1] };
  const margin = Math.abs(ends[0]) / 2 || 1;
  return { logarithmic, low: ends[0] - margin, high: ends[0] + margin };
}

/**
 * The color of a value; beyond the ends of the scale, the end's color.
 * @param {number} value
 * @param {{logarithmic: boolean, low: number, high: number}} scale from `settle`
 * @param {number[][]} shades from `shadesOf`
 * @returns {number[]} the color
 */
export function colourOf(value, { logarithmic, low, high }, shades) {
  if (value === Infinity || value === -Infinity) return INFINITE;
  if (logarithmic && value === 0) return ZERO;
  const t = ((logarithmic ? Math.log10(value) : value) - low) / (high - low);
  if (Number.isNaN(t)) return NAN;
  return shades[Math.round(Math.min(Math.max(t, 0), 1) * (shades.length - 1))];
}
