/** Between which values those of a chart lie, and which are too far from the others. */

const BEYOND = 4; // decades that a logarithmic axis may go beyond its statistic's scale
const FAR = 1000; // times the median run's largest value, on other axes
const EVERYWHERE = { low: -Infinity, high: Infinity };

/**
 * @typedef {object} Range of those values that are within the limits
 * @property {number} low the smallest finite value; Infinity if there is none
 * @property {number} high the largest finite value; -Infinity if there is none
 * @property {number} lowPositive the smallest above 0
 * @property {boolean} nan whether there are NaN, `infinite` Inf, `nonpositive` others
 * @property {boolean} above whether there are any above the limits; `below` likewise
 *
 * @typedef {{low: number, high: number}} Limits
 *
 * @param {Iterable<number>} values
 * @param {Limits} limits
 * @returns {Range}
 */
export function rangeOf(values, limits = EVERYWHERE) {
  const range = {
    ...{ low: Infinity, high: -Infinity, lowPositive: Infinity },
    ...{ nan: false, infinite: false, nonpositive: false },
    ...{ above: false, below: false },
  };
  for (const value of values) {
    const side = sideOf(value, limits);
    if (Number.isNaN(value)) range.nan = true;
    else if (!Number.isFinite(value)) range.infinite = true;
    else if (side) range[side] = true;
    else widen(range, value);
  }
  return range;
}

/** "above" or "below" for a value beyond the limits; null for any other. */
export function sideOf(value, { low, high }) {
  if (value > high) return "above";
  const isZero = low > 0 && value <= 0; // of a logarithmic axis, with a row of its own
  return value < low && !isZero ? "below" : null;
}

/**
 * The limits of an axis: what some runs have beyond them would press the others flat.
 * There is none where all runs are beyond it.
 * @param {{logarithmic: boolean, low: number?, high: number?}} scale of the statistic
 * @param {Range[]} ranges one a run, of all its values
 * @returns {Limits}
 */
export function limitsOf({ logarithmic, low, high }, ranges) {
  if (low === null) return logarithmic ? EVERYWHERE : limitsOfMedian(ranges);
  if (!logarithmic) return EVERYWHERE;
  const [least, most] = [10 ** (low - BEYOND), 10 ** (high + BEYOND)];
  const positive = ranges.filter((range) => range.high > 0);
  return {
    low: positive.some((range) => range.lowPositive >= least) ? least : -Infinity,
    high: positive.some((range) => range.high <= most) ? most : Infinity,
  };
}

function limitsOfMedian(ranges) {
  const sizes = ranges
    .map(({ low, high }) => Math.max(Math.abs(low), Math.abs(high)))
    .filter((size) => size > 0 && Number.isFinite(size))
    .sort((a, b) => a - b);
  const most = FAR * sizes[(sizes.length - 1) >> 1];
  return most > 0 ? { low: -most, high: most } : EVERYWHERE;
}

function widen(range, value) {
  if (value < range.low) range.low = value;
  if (value > range.high) range.high = value;
  if (value <= 0) range.nonpositive = true;
  else if (value < range.lowPositive) range.lowPositive = value;
}
