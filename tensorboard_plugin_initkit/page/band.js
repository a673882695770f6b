/** The healthy band of a statistic, and which layers are outside of it. */

import { inShort } from "./numbers.js";

const NAMED = 3; // layers that a sentence names
const UNKNOWN = "no healthy band is known.";
const BAD = new Set(["NaN", "infinite", "zero", "below", "above"]);

/**
 * The band at one record of a run: its bounds in each layer, NaN where there are none.
 *
 * @param {object?} band as `scales.py` has it
 * @param {ArrayLike<number>} values one a layer
 * @param {ArrayLike<number>} intended one a layer
 * @returns {{low: number[], high: number[]}?} null where nothing is known
 */
export function boundsOf(band, values, intended) {
  if (!band) return null;
  const ceiling = band.ceiling ?? Infinity;
  const limited = (number) => Math.min(Math.max(number, band.floor), ceiling);
  const middle = limited(middleOf(band.around, values));
  const of = (factor) =>
    Array.from(values, (_, layer) =>
      // Around 0, as of a branch that begins with zeros, there is no telling.
      limited(factor * ((band.around === "intended" ? intended[layer] : middle) || NaN)),
    );
  const bounds = { low: of(band.low), high: of(band.high) };
  return bounds.high.some(Number.isFinite) ? bounds : null;
}

function middleOf(around, values) {
  if (around === "median") return median(values);
  if (around === "last") return Array.from(values).findLast((v) => v > 0 && v < Infinity);
  return 1;
}

/** Whether a value is a number beyond the bounds of its layer. */
export function isOutside(bounds, layer, value) {
  return bounds !== null && (value < bounds.low[layer] || value > bounds.high[layer]);
}

/**
 * Which layers are in trouble, in words that end a sentence.
 *
 * @param {object} record
 * @param {string[]} record.layers their names
 * @param {ArrayLike<number>} record.values one a layer
 * @param {boolean[]} record.measured one a layer
 * @param {{low: number[], high: number[]}?} bounds of the healthy band
 * @param {boolean} isZeroBad whether a layer at 0 is in trouble
 * @returns {{words: string, short: string, trouble: boolean}} `short` is what may hold
 *   of several runs
 */
export function verdict({ layers, values, measured }, bounds, isZeroBad) {
  const found = { NaN: [], infinite: [], zero: [], below: [], above: [], inside: [] };
  let count = 0;
  for (const [layer, value] of values.entries()) {
    if (!measured[layer]) continue;
    count += 1;
    found[placeOf(value, layer, bounds, isZeroBad)]?.push(layer);
  }
  const name = (layer) => layers[layer];
  const withValue = (layer) => `${layers[layer]} (${inShort(values[layer])})`;
  const kinds = [
    ["NaN", found.NaN, name],
    ["infinite", found.infinite, name],
    ["zero", found.zero, name],
    ["below the healthy band", found.below, withValue],
    ["above the healthy band", found.above, withValue],
  ].filter(([, bad]) => bad.length > 0);
  if (kinds.length === 0) {
    const words = praise(found, count, bounds, values, withValue);
    return { words, short: bounds ? words : UNKNOWN, trouble: false };
  }
  const clauses = kinds.map(
    ([words, bad, named], i) =>
      `${counted(bad.length, i === 0 ? count : null)} ${words}: ${list(bad, named)}`,
  );
  const words = `${clauses.join("; ")}.`;
  return { words, short: words, trouble: true };
}

/** Whether `verdict` finds trouble. */
export function isInTrouble(values, measured, bounds, isZeroBad) {
  return values.some(
    (value, layer) =>
      measured[layer] && BAD.has(placeOf(value, layer, bounds, isZeroBad)),
  );
}

function placeOf(value, layer, bounds, isZeroBad) {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return "infinite";
  if (isZeroBad && value === 0) return "zero";
  if (!bounds || !Number.isFinite(bounds.high[layer])) return null;
  if (!isOutside(bounds, layer, value)) return "inside";
  return value < bounds.low[layer] ? "below" : "above";
}

function counted(number, of) {
  const layers = of === null ? "" : ` of ${of} layer${of === 1 ? "" : "s"}`;
  return `${number}${layers} ${number === 1 ? "is" : "are"}`;
}

function praise(found, count, bounds, values, name) {
  const good = found.inside.length;
  if (bounds && good === count) {
    return count === 1
      ? "the only layer is within the healthy band."
      : `all ${count} layers within the healthy band.`;
  }
  if (good > 0) return `${good} of ${count} layers have a healthy band, all within it.`;
  const finite = [...values.keys()].filter((layer) => Number.isFinite(values[layer]));
  if (finite.length === 0) return "nothing was measured.";
  const order = finite.sort((a, b) => values[a] - values[b]);
  const from = name(order[0]);
  const to = name(order.at(-1));
  const span = order.length === 1 ? from : `from ${from} to ${to}`;
  return `${span}; ${UNKNOWN}`;
}

function list(layers, name) {
  const isRow = layers.every((layer, i) => layer === layers[0] + i);
  if (isRow && layers.length > NAMED)
    return `${name(layers[0])} to ${name(layers.at(-1))}`;
  const named = layers.slice(0, NAMED).map(name).join(", ");
  const rest = layers.length - NAMED;
  return rest > 0 ? `${named} and ${rest} more` : named;
}

function median(values) {
  const finite = Array.from(values)
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
  const half = finite.length >> 1;
  if (finite.length === 0) return NaN;
  return finite.length % 2 ? finite[half] : (finite[half - 1] + finite[half]) / 2;
}
