/** Numbers and names, as the reader sees them. */

const SUPERSCRIPTS = { "-": "⁻" };
for (const [digit, raised] of [..."⁰¹²³⁴⁵⁶⁷⁸⁹"].entries()) SUPERSCRIPTS[digit] = raised;

/** A number with at most three digits, such as `0.125`, `1.2e-9`, `NaN` or `∞`. */
export function inShort(value) {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) {
    return value.toExponential(1).replace("e+", "e").replace(".0e", "e");
  }
  return String(Number(value.toPrecision(3)));
}

/** A power of ten, such as `10⁻⁶`. */
export function powerOfTen(exponent) {
  return "10" + [...String(exponent)].map((sign) => SUPERSCRIPTS[sign]).join("");
}

/** The name of a statistic in words: `pre-activation variance`. */
export function inWords(key) {
  return key
    .replaceAll("_", " ")
    .replace("pre activation", "pre-activation")
    .replace(/\bl2\b/, "L2");
}

/** A name of at most `most` characters, with "…" for a missing middle. */
export function shortened(name, most) {
  if (name.length <= most) return name;
  const head = Math.ceil((most - 1) / 2);
  return `${name.slice(0, head)}…${name.slice(name.length - (most - 1 - head))}`;
}

/**
 * The names of runs without the directories that all share.
 * @param {string[]} names
 * @returns {Map<string, string>} the short name of each
 */
export function shortNames(names) {
  const paths = names.map((name) => name.split("/"));
  const most = Math.min(...paths.map((path) => path.length)) - 1;
  const shared = (at) => paths.every((path) => path.at(at) === paths[0].at(at));
  let head = 0;
  let tail = 0;
  if (names.length > 1) {
    while (head < most && shared(head)) head += 1;
    while (head + tail < most && shared(-1 - tail)) tail += 1;
  }
  const kept = paths.map((path) => path.slice(head, path.length - tail).join("/"));
  return new Map(names.map((name, i) => [name, kept[i]]));
}

/**
 * A layer's name without the numbers that Keras counts up from model to model:
 * `block/dense` for `block_2/dense_11`.
 */
export function withoutCounters(name) {
  return name.replace(/_\d+(?=\/|$)/g, "");
}
