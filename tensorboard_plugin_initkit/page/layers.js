/** The choice of layers, and their kinds. */

import { withoutCounters } from "./numbers.js";

const AFFORDED = 2; // the fewest layers of a kind for its own line
const memory = new WeakMap(); // picked profiles, so a chart recognizes them

/**
 * The numbers of the layers whose names match a pattern, or one of several patterns,
 * separated by commas. With `*` and `?`, a pattern works as for file names. Without
 * them, it matches a part of the name. An empty pattern matches all.
 * @param {string} pattern
 * @param {string[]} names
 * @returns {number[]} ascending
 */
export function matching(pattern, names) {
  const parts = pattern
    .split(",")
    .map((part) => part.trim())
    .filter(Boolean)
    .map(expressionOf);
  return [...names.keys()].filter(
    (i) => parts.length === 0 || parts.some((part) => part.test(names[i])),
  );
}

function expressionOf(pattern) {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(/[*?]/.test(pattern) ? `^${source}$` : source, "i");
}

/**
 * Some of the layers of a series.
 * @param {Series} series see profile_chart.js
 * @param {number[]} kept their numbers
 * @returns {Series} with the `numbers` of its layers in the network
 */
export function picked(series, kept) {
  const { layers, ownNames, profiles } = series;
  const of = (list) => kept.map((i) => list[i]);
  return {
    ...series,
    numbers: kept,
    layers: of(layers),
    ownNames: of(ownNames),
    profiles: kept.length === profiles.width ? profiles : pickedProfiles(profiles, kept),
  };
}

function pickedProfiles(profiles, kept) {
  const key = kept.join();
  const [known, found] = memory.get(profiles) ?? [];
  if (known === key) return found;
  const { steps, intended, values, width, measured } = profiles;
  const some = {
    steps,
    intended: Float32Array.from(kept, (i) => intended[i]),
    values: new Float32Array(steps.length * kept.length),
    width: kept.length,
    measured: kept.map((i) => measured[i]),
  };
  for (let at = 0, row = 0; row < steps.length; row++) {
    for (const i of kept) some.values[at++] = values[row * width + i];
  }
  memory.set(profiles, [key, some]);
  return some;
}

/** The kind of a layer: `block_*_a` for `block_12_a`, `dense` for `dense_3`. */
export function kindOf(name) {
  return withoutCounters(name).replace(/\d+/g, "*");
}

/**
 * The layers by their kinds, in the order of depth.
 * @param {string[]} names
 * @returns {{kind: string, places: number[]}[]}
 */
export function kindsOf(names) {
  const kinds = new Map();
  for (const [i, name] of names.entries()) {
    const kind = kindOf(name);
    if (!kinds.has(kind)) kinds.set(kind, []);
    kinds.get(kind).push(i);
  }
  return [...kinds].map(([kind, places]) => ({ kind, places }));
}

/** Tells whether layers of several kinds take turns, so a line through all is a zigzag. */
export function isAlternating(names) {
  const many = kindsOf(names).filter(({ places }) => places.length > AFFORDED);
  const kinds = names.map(kindOf);
  const changes = kinds.filter((kind, i) => i > 0 && kind !== kinds[i - 1]);
  return many.length > 1 && changes.length > names.length / 2;
}
