/** The range of a chart's values, and the values that are too far from the others. */

const BEYOND = 4; // decades that a logarithmic axis may go beyond its statistic's scale
const DECADES = 4; // on a symlog axis, below the median run's largest value
const FAR = 1000; // times the median run's largest value, on other axes
const EVERYWHERE = { low: -Infinity, high: Infinity };
const known = new WeakMap(); // ranges, by the values and the limits

/**
 * The scale of a statistic, from scales.py.
 * @typedef {object} Scale
 * @property {boolean} logarithmic whether the axis shows its log10
 * @property {?number} low the lowest usual value, log10 if logarithmic; `high` likewise
 * @property {boolean} [signed] whether its values lie on both sides of 0
 * @property {string} [axis] "log", "symlog" or "linear", if the reader chose it
 */

/** The kind of axis of a scale: "log", "symlog" or "linear". */
export function axisOf({ logarithmic, signed, axis }) {
  return axis ?? (logarithmic ? "log" : signed ? "symlog" : "linear");
}

/**
 * The scale with the axis that the reader chose. If it is not the scale's own, the
 * values determine the ends.
 * @param {Scale} scale
 * @param {string} axis "usual", "log", "symlog" or "linear"
 * @returns {Scale}
 */
export function onAxis(scale, axis) {
  if (axis === "usual" || axis === axisOf(scale)) return scale;
  return { logarithmic: axis === "log", low: null, high: null, axis };
}

/**
 * @typedef {object} Range of the values within the limits
 * @property {number} low the smallest finite value; Infinity if there is none
 * @property {number} high the largest finite value; -Infinity if there is none
 * @property {number} lowPositive the smallest above 0
 * @property {number} least the smallest magnitude above 0
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
  const key = `${limits.low} ${limits.high}`;
  if (!known.has(values)) known.set(values, new Map());
  const ofValues = known.get(values);
  if (!ofValues.has(key)) ofValues.set(key, measured(values, limits));
  return ofValues.get(key);
}

function measured(values, limits) {
  const range = {
    ...{ low: Infinity, high: -Infinity, lowPositive: Infinity, least: Infinity },
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
  const isZero = low > 0 && value <= 0; // on a logarithmic axis, 0 has its own row
  return value < low && !isZero ? "below" : null;
}

/**
 * The limits of an axis. Values beyond them would flatten all other runs. There is no
 * limit if all runs are beyond it.
 * @param {Scale} scale of the statistic
 * @param {Range[]} ranges one per run, of all its values
 * @returns {Limits}
 */
export function limitsOf(scale, ranges) {
  const { logarithmic, low, high } = scale;
  if (axisOf(scale) === "symlog") return EVERYWHERE;
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
  const most = FAR * medianSize(ranges);
  return most > 0 ? { low: -most, high: most } : EVERYWHERE;
}

/**
 * The magnitude up to which a symlog axis is linear: a power of ten, some decades below
 * the median run's largest value, and not below the smallest magnitude.
 * @param {Range[]} ranges one per run
 * @returns {number}
 */
export function thresholdOf(ranges) {
  const largest = medianSize(ranges);
  if (!(largest > 0)) return 1;
  const least = Math.min(...ranges.map((range) => range.least));
  const exponent = Math.ceil(Math.log10(largest)) - DECADES;
  return 10 ** Math.max(exponent, Math.floor(Math.log10(least)));
}

/** The median of the runs' largest magnitudes; undefined if all are 0. */
function medianSize(ranges) {
  const sizes = ranges
    .map(({ low, high }) => Math.max(Math.abs(low), Math.abs(high)))
    .filter((size) => size > 0 && Number.isFinite(size))
    .sort((a, b) => a - b);
  return sizes[(sizes.length - 1) >> 1];
}

function widen(range, value) {
  if (value < range.low) range.low = value;
  if (value > range.high) range.high = value;
  if (value !== 0 && Math.abs(value) < range.least) range.least = Math.abs(value);
  if (value <= 0) range.nonpositive = true;
  else if (value < range.lowPositive) range.lowPositive = value;
}
