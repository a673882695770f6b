/** The server's data: the list of runs, and the profiles of a statistic. */

const cache = new Map();
// For these, NaN is a value. For others, it may mean that nothing was measured.
const ALWAYS_MEASURED = /^(weight|gradient)_/;

/**
 * Asks for the list of runs and the scales of their statistics.
 * @returns {Promise<{runs: object[], statistics: Object<string, object>}>}
 */
export async function fetchCatalog() {
  const response = await answer("./runs");
  return response.json();
}

/**
 * A statistic of a run. After the first time, it does not ask the server.
 * @param {string} run
 * @param {string} statistic
 * @returns {Promise<Profiles>}
 */
export function fetchProfiles(run, statistic) {
  return kept(`./profiles?${new URLSearchParams({ run, statistic })}`, (response) =>
    response
      .arrayBuffer()
      .then((buffer) => decode(buffer, ALWAYS_MEASURED.test(statistic))),
  );
}

/**
 * The histograms of a layer. After the first time, it does not ask the server.
 * @param {string} run
 * @param {string} source "weight", "gradient" or "pre_activation"
 * @param {string} layer the run's own name for it
 * @returns {Promise<Histograms>} see distribution.js
 */
export function fetchHistograms(run, source, layer) {
  const query = new URLSearchParams({ run, source, layer });
  return kept(`./histograms?${query}`, (response) => response.json());
}

/** Forgets all profiles, so the server is asked again. */
export function forgetProfiles() {
  cache.clear();
}

/**
 * Unpacks what `Profiles.to_bytes` in profiles.py packed.
 *
 * @typedef {object} Profiles
 * @property {Float64Array} steps ascending
 * @property {Float32Array} intended one per layer; NaN if unknown
 * @property {Float32Array} values steps x layers, row by row
 * @property {number} width the number of layers
 * @property {boolean[]} measured for each layer, whether it was ever a number; all true
 *   if no layer ever was
 *
 * @param {ArrayBuffer} buffer little-endian
 * @param {boolean} isMeasured whether all layers count as measured
 * @returns {Profiles}
 */
export function decode(buffer, isMeasured) {
  const [count, width] = new Uint32Array(buffer, 0, 2);
  const steps = new Float64Array(buffer, 8, count);
  const intended = new Float32Array(buffer, 8 + 8 * count, width);
  const values = new Float32Array(buffer, 8 + 8 * count + 4 * width, count * width);
  const measured = Array.from({ length: width }, (_, layer) =>
    steps.some((_, record) => !Number.isNaN(values[record * width + layer])),
  );
  return {
    steps,
    intended,
    values,
    width,
    measured: measured.includes(true) && !isMeasured ? measured : measured.fill(true),
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

/**
 * The position of a layer in a run: by its name, or by its position in another run with
 * as many layers; -1 for nowhere.
 * @param {string} layer its name
 * @param {{layers: string[]}} run
 * @param {{layers: string[]}[]} all the shown runs
 */
export function columnOf(layer, run, all) {
  const has = ({ layers }) => layers.includes(layer);
  const isAlike = ({ layers }) => layers.length === run.layers.length;
  const like = has(run) ? run : all.find((one) => isAlike(one) && has(one));
  return like ? like.layers.indexOf(layer) : -1;
}

/** All steps of several profiles, ascending, each once. */
export function unionOfSteps(several) {
  const all = new Set();
  for (const profiles of several) for (const step of profiles.steps) all.add(step);
  return Float64Array.from(all).sort();
}

function kept(path, read) {
  if (!cache.has(path)) {
    const found = answer(path).then(read);
    found.catch(() => cache.delete(path));
    cache.set(path, found);
  }
  return cache.get(path);
}

async function answer(path) {
  let response;
  try {
    response = await fetch(new URL(path, import.meta.url));
  } catch (error) {
    throw new Error(`TensorBoard does not answer (${error.message}).`);
  }
  if (!response.ok) {
    const isOurs = response.headers.get("content-type")?.startsWith("text/plain");
    const sentence = isOurs ? await response.text() : "";
    throw new Error(sentence || `TensorBoard answered ${response.status}.`);
  }
  return response;
}
