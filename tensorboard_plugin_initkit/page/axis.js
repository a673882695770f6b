/** The vertical axis of a chart, and the rows for values that do not fit on it. */

import { inShort, powerOfTen } from "./numbers.js";
import { axisOf, limitsOf, rangeOf, sideOf, thresholdOf } from "./ranges.js";

const ROW = 26; // pixels of a row for values without a place on the axis
const TICK_GAP = 26; // pixels between two ticks, at least
const ROWS_ABOVE = { nan: "NaN", infinite: "∞", above: "above" }; // from the top
const ROWS_BELOW = { nonpositive: "0", below: "below" }; // from the bottom

/**
 * An axis over the values of several runs. Rows above it hold NaN, ∞ and values too far
 * above. Rows below it hold values too far below, and 0 if the axis is logarithmic. A
 * row appears only if there are such values.
 *
 * @param {Scale} scale of the statistic, see ranges.js
 * @param {ArrayLike<number>[]} runs all values of each, so the axis does not move
 * @param {number[]} more further values to show
 * @param {number} top pixels, `bottom` likewise
 * @param {number[]} part the start and end of the shown part, as shares of the whole
 * @returns {Axis}
 *
 * @typedef {object} Axis
 * @property {(value: number) => number} y pixels of a value, those of a row included
 * @property {(value: number) => number?} line pixels of a line through a value, even
 *   beyond the edges; null for values without a place on any axis
 * @property {(value: number) => string?} kind "nan", "infinite", "zero", "above" or
 *   "below" for a value that has a row; null for all others
 * @property {{y: number, label: string, row: boolean}[]} ticks
 * @property {number} top of the axis proper, without rows; `bottom` likewise
 */
export function valueAxis(scale, runs, more, top, bottom, part = [0, 1]) {
  const kindOfAxis = axisOf(scale);
  const logarithmic = kindOfAxis === "log";
  const limits = limitsOf(
    scale,
    runs.map((values) => rangeOf(values)),
  );
  const ranges = runs.map((values) => rangeOf(values, limits));
  const has = (name) => ranges.some((range) => range[name]);
  const above = Object.keys(ROWS_ABOVE).filter(has);
  const below = Object.keys(ROWS_BELOW).filter(
    (name) => has(name) && (logarithmic || name !== "nonpositive"),
  );
  const rows = {};
  for (const [i, name] of above.entries()) rows[name] = top + ROW * (i + 1 / 3);
  for (const [i, name] of below.entries()) rows[name] = bottom - ROW * (i + 1 / 3);
  const from = top + ROW * above.length;
  const to = bottom - ROW * below.length;

  const seen = more.filter((value) => Number.isFinite(value) && !sideOf(value, limits));
  const shown = SHOWN[kindOfAxis](thresholdOf(ranges));
  const ends = logarithmic
    ? decades(ranges, seen)
    : bounds(scale, ranges, seen).map(shown.of);
  const [low, high] = part.map((share) => ends[0] + share * (ends[1] - ends[0]));
  const place = (value) => to - ((shown.of(value) - low) / (high - low)) * (to - from);
  const kind = (value) => {
    if (Number.isNaN(value)) return "nan";
    if (logarithmic && value <= 0) return "zero";
    return Number.isFinite(value) ? sideOf(value, limits) : "infinite";
  };
  const rowOf = (name) => rows[name === "zero" ? "nonpositive" : name];
  const powers = shown.powers(low, high, to - from);
  const marks =
    powers.length > 1 || (logarithmic && high - low >= 2)
      ? powers.map(({ value, label }) => ({ y: place(value), label }))
      : niceTicks(shown.back(low), shown.back(high), to - from).map((value) => ({
          y: place(value),
          label: inShort(value),
        }));
  const labels = { ...ROWS_ABOVE, ...ROWS_BELOW };
  const rowTicks = [...above, ...below].map((name) => ({
    y: rows[name],
    label: labels[name],
    row: true,
  }));
  return {
    y: (value) => rowOf(kind(value)) ?? place(value),
    line: (value) => (Number.isFinite(place(value)) ? place(value) : null),
    kind,
    ticks: [...marks, ...rowTicks],
    top: from,
    bottom: to,
  };
}

/**
 * The kinds of axes, given the threshold of a symlog axis: `of` maps a value to its
 * place on an even axis, `back` maps it back, and `powers` lists the powers of ten
 * between two places, if the axis marks them.
 */
const SHOWN = {
  linear: () => ({ of: Number, back: Number, powers: () => [] }),
  log: () => ({
    of: Math.log10,
    back: (place) => 10 ** place,
    powers: (low, high, pixels) =>
      decadeTicks(low, high, pixels).map((exponent) => ({
        value: 10 ** exponent,
        label: powerOfTen(exponent),
      })),
  }),
  // Nearly linear up to the threshold, on both sides of 0, and logarithmic beyond.
  symlog: (threshold) => {
    const of = (value) => Math.sign(value) * Math.log10(1 + Math.abs(value) / threshold);
    const back = (place) => Math.sign(place) * threshold * (10 ** Math.abs(place) - 1);
    const powers = (low, high, pixels) => {
      const most = Math.ceil(Math.max(Math.abs(low), Math.abs(high)));
      const every = Math.ceil(((high - low) * TICK_GAP) / pixels);
      const first = Math.round(Math.log10(threshold));
      const ticks = [{ value: 0, label: "0" }];
      for (let exponent = first + every; exponent <= first + most; exponent += every) {
        const [value, label] = [10 ** exponent, powerOfTen(exponent)];
        ticks.unshift({ value: -value, label: `−${label}` });
        ticks.push({ value, label });
      }
      return ticks.filter(({ value }) => of(value) >= low && of(value) <= high);
    };
    return { of, back, powers };
  },
};

/** Up to `most` round numbers between two, such as 0, 20, 40, both ends included. */
export function roundNumbers(low, high, most) {
  const rough = (high - low) / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) * power;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  return Array.from({ length: last - first + 1 }, (_, i) =>
    digits > 20 ? (first + i) * step : Number(((first + i) * step).toFixed(digits)),
  );
}

/** The exponents of the powers of ten that enclose all values, at least two decades. */
function decades(ranges, more) {
  const positive = more.filter((value) => value > 0);
  const low = Math.min(...ranges.map((range) => range.lowPositive), ...positive);
  const high = Math.max(...ranges.map((range) => range.high), ...positive);
  if (!(high > 0) || !Number.isFinite(low)) return [-1, 1];
  const first = Math.floor(Math.log10(low));
  const last = Math.ceil(Math.log10(high));
  const missing = Math.max(0, 2 - (last - first)) / 2;
  return [first - Math.ceil(missing), last + Math.floor(missing)];
}

function bounds(scale, ranges, more) {
  const lows = [...ranges.map(({ low }) => low), ...more, scale.low ?? Infinity];
  const highs = [...ranges.map(({ high }) => high), ...more, scale.high ?? -Infinity];
  const low = Math.min(...lows);
  const high = Math.max(...highs);
  if (!Number.isFinite(low)) return [0, 1];
  if (low === high) {
    return [low - (Math.abs(low) || 1) / 2, high + (Math.abs(low) || 1) / 2];
  }
  const room = scale.low === null ? (high - low) * 0.06 : 0;
  return [low - room, high + room];
}

function decadeTicks(low, high, pixels) {
  const most = Math.max(1, Math.floor(pixels / TICK_GAP));
  const every = Math.ceil((high - low) / most);
  const ticks = [];
  for (let exponent = Math.ceil(low); exponent <= high; exponent += 1) {
    if (exponent % every === 0) ticks.push(exponent);
  }
  return ticks;
}

function niceTicks(low, high, pixels) {
  return roundNumbers(low, high, Math.floor(pixels / (2 * TICK_GAP)) + 1);
}
