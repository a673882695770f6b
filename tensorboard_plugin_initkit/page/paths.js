/** The `d` attributes of what the charts draw. */

const GLYPHS = {
  nan: "m-4,-4 l8,8 m0,-8 l-8,8", // a cross
  infinite: "m-4.5,3.5 h9 l-4.5,-8 z", // a triangle that points up
  unmeasured: "m-4,0 h8", // a dash
  zero: "m-4.5,-3.5 h9 l-4.5,8 z", // and one that points down
};

/** A line through places, broken where one of them is not on the axis. */
export function linePath(places) {
  let pen = "M";
  let path = "";
  for (const { x, y, kind } of places) {
    if (kind) {
      pen = "M";
    } else {
      path += `${pen}${x.toFixed(1)},${y.toFixed(1)}`;
      pen = "L";
    }
  }
  return path;
}

/** What marks a place that is not on the axis; nothing for any other. */
export function glyph({ x, y, kind }) {
  return kind ? `M${x.toFixed(1)},${y.toFixed(1)}${GLYPHS[kind]}` : "";
}

/** The area between two bounds over the layers, without those that have none. */
export function areaPath(axis, xs, bounds) {
  if (!bounds) return "";
  const known = [...xs.keys()].filter(
    (i) => Number.isFinite(bounds.low[i]) && Number.isFinite(bounds.high[i]),
  );
  const at = (side) => (i) => `${xs[i].toFixed(1)},${edge(axis, bounds[side][i])}`;
  if (known.length === 0) return "";
  const there = known.map(at("high"));
  const back = [...known].reverse().map(at("low"));
  return `M${[...there, ...back].join("L")}Z`;
}

/** Pixels of a bound, not farther out than the axis. */
function edge(axis, value) {
  const y = axis.kind(value) === "zero" ? axis.bottom : axis.y(value);
  return Math.min(axis.bottom, Math.max(axis.top, y)).toFixed(1);
}
