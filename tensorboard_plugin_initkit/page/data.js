/** What the server has: the list of runs, and the profiles of a statistic. */

const cache = new Map();

/**
 * The list of runs and of the scales of their statistics, anew.
 * @returns {Promise<{runs: object[], statistics: Object<string, object>}>}
 */
export async function fetchCatalog() {
  const response = await answer("./runs");
  return response.json();
}

/**
 * A statistic of a run; from the second time on without asking the server.
 * @param {string} run
 * @param {string} statistic
 * @returns {Promise<Profiles>}
 */
export function fetchProfiles(run, statistic) {
  const query = new URLSearchParams({ run, statistic });
  const path = `./profiles?${query}`;
  if (!cache.has(path)) {
    const found = answer(path)
      .then((response) => response.arrayBuffer())
      .then(decode);
    found.catch(() => cache.delete(path));
    cache.set(path, found);
  }
  return cache.get(path);
}

/** From now on the server is asked again. */
export function forgetProfiles() {
  cache.clear();
}

/**
 * Unpacks what `Profiles.to_bytes` in profiles.py packed.
 *
 * @typedef {object} Profiles
 * @property {Float64Array} steps ascending
 * @property {Float32Array} predicted one a layer; NaN where nothing was predicted
 * @property {Float32Array} values steps x layers, row by row
 * @property {number} width the number of layers
 * @property {boolean[]} measured for each layer, whether it was ever a number; all true
 *   if no layer ever was
 * @property {Range} range of all values and predictions
 *
 * @typedef {object} Range
 * @property {number} low the smallest finite value; Infinity if there is none
 * @property {number} high the largest finite value; -Infinity if there is none
 * @property {number} lowPositive the smallest above 0
 * @property {boolean} nan whether there are NaN, `infinite` Inf, `nonpositive` others
 *
 * @param {ArrayBuffer} buffer little-endian
 * @returns {Profiles}
 */
export function decode(buffer) {
  const [count, width] = new Uint32Array(buffer, 0, 2);
  const steps = new Float64Array(buffer, 8, count);
  const predicted = new Float32Array(buffer, 8 + 8 * count, width);
  const values = new Float32Array(buffer, 8 + 8 * count + 4 * width, count * width);
  const measured = Array.from({ length: width }, (_, layer) =>
    steps.some((_, record) => !Number.isNaN(values[record * width + layer])),
  );
  return {
    steps,
    predicted,
    values,
    width,
    measured: measured.includes(true) ? measured : measured.fill(true),
    range: rangeOf(values, predicted),
  };
}

/** The number of the last record at or before a step; -1 if there is none. */
export function recordAt(profiles, step) {
  let low = 0;
  let high = profiles.steps.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (profiles.steps[middle] <= step) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The values of all layers in a record. */
export function rowOf(profiles, record) {
  const start = record * profiles.width;
  return profiles.values.subarray(start, start + profiles.width);
}

/** All steps of several profiles, ascending, each once. */
export function unionOfSteps(several) {
  const all = new Set();
  for (const profiles of several) for (const step of profiles.steps) all.add(step);
  return Float64Array.from(all).sort();
}

function rangeOf(values, predicted) {
  const range = {
    low: Infinity,
    high: -Infinity,
    lowPositive: Infinity,
    nan: false,
    infinite: false,
    nonpositive: false,
  };
  for (const value of values) {
    if (Number.isNaN(value)) range.nan = true;
    else if (!Number.isFinite(value)) range.infinite = true;
    else widen(range, value);
  }
  const { nonpositive } = range;
  predicted.forEach((value) => Number.isFinite(value) && widen(range, value));
  return { ...range, nonpositive };
}

function widen(range, value) {
  if (value < range.low) range.low = value;
  if (value > range.high) range.high = value;
  if (value <= 0) range.nonpositive = true;
  else if (value < range.lowPositive) range.lowPositive = value;
}

async function answer(path) {
  let response;
  try {
    response = await fetch(new URL(path, import.meta.url));
  } catch (error) {
    throw new Error(`TensorBoard does not answer (${error.message}).`);
  }
  if (!response.ok) {
    const sentence = await response.text();
    throw new Error(sentence || `TensorBoard answered ${response.status}.`);
  }
  return response;
}
