/** The vertical axis of a chart, and what cannot be placed on it. */

import { inShort, powerOfTen } from "./numbers.js";

const ROW = 26; // pixels of a row for what has no place on the axis
const TICK_GAP = 26; // pixels between two ticks, at least

/**
 * An axis over several ranges (of `Profiles`), with rows above it for NaN and ∞ and,
 * where it is logarithmic, below it for 0, as far as there are such values.
 *
 * @param {{logarithmic: boolean, low: number?, high: number?}} scale of the statistic
 * @param {Range[]} ranges of all that is drawn, at all steps: the axis stands still
 * @param {number[]} more values that should be seen, too
 * @param {number} top pixels, `bottom` likewise
 * @returns {Axis}
 *
 * @typedef {object} Axis
 * @property {(value: number) => number} y pixels of a value, those of a row included
 * @property {(value: number) => string?} kind "nan", "infinite" or "zero" for a value
 *   that has a row; null for all others
 * @property {{y: number, label: string, row: boolean}[]} ticks
 * @property {number} top of the axis proper, without rows; `bottom` likewise
 */
export function valueAxis(scale, ranges, more, top, bottom) {
  const { logarithmic } = scale;
  const has = (name) => ranges.some((range) => range[name]);
  const rows = {};
  if (has("nan")) rows.nan = top + ROW / 3;
  if (has("infinite")) rows.infinite = top + ROW / 3 + (has("nan") ? ROW : 0);
  if (logarithmic && has("nonpositive")) rows.zero = bottom - ROW / 3;
  const from = top + ROW * (has("nan") + has("infinite"));
  const to = bottom - (rows.zero ? ROW : 0);

  const [low, high] = logarithmic ? decades(ranges, more) : bounds(scale, ranges, more);
  const shown = logarithmic ? Math.log10 : (value) => value;
  const place = (value) => to - ((shown(value) - low) / (high - low)) * (to - from);
  const kind = (value) => {
    if (Number.isNaN(value)) return "nan";
    if (logarithmic && value <= 0) return "zero";
    return Number.isFinite(value) ? null : "infinite";
  };
  const marks = logarithmic
    ? decadeTicks(low, high, to - from).map((exponent) => ({
        y: place(10 ** exponent),
        label: powerOfTen(exponent),
      }))
    : niceTicks(low, high, to - from).map((value) => ({
        y: place(value),
        label: inShort(value),
      }));
  const labels = { nan: "NaN", infinite: "∞", zero: "0" };
  const rowTicks = Object.entries(rows).map(([name, y]) => ({
    y,
    label: labels[name],
    row: true,
  }));
  return {
    y: (value) => rows[kind(value)] ?? place(value),
    kind,
    ticks: [...marks, ...rowTicks],
    top: from,
    bottom: to,
  };
}

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

/** The exponents of the powers of ten that enclose all; two decades at least. */
function decades(ranges, more) {
  const positive = more.filter((value) => value > 0 && Number.isFinite(value));
  const low = Math.min(...ranges.map((range) => range.lowPositive), ...positive);
  const high = Math.max(...ranges.map((range) => range.high), ...positive);
  if (!(high > 0) || !Number.isFinite(low)) return [-1, 1];
  const first = Math.floor(Math.log10(low));
  const last = Math.ceil(Math.log10(high));
  const missing = Math.max(0, 2 - (last - first)) / 2;
  return [first - Math.ceil(missing), last + Math.floor(missing)];
}

function bounds(scale, ranges, more) {
  const finite = more.filter(Number.isFinite);
  const lows = [...ranges.map(({ low }) => low), ...finite, scale.low ?? Infinity];
  const highs = [...ranges.map(({ high }) => high), ...finite, scale.high ?? -Infinity];
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
  for (let exponent = low; exponent <= high; exponent += 1) {
    if (exponent % every === 0) ticks.push(exponent);
  }
  return ticks;
}

function niceTicks(low, high, pixels) {
  return roundNumbers(low, high, Math.floor(pixels / (2 * TICK_GAP)) + 1);
}
