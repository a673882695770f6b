/** The `d` attributes of paths in the charts. */

const GLYPHS = {
  nan: "m-4,-4 l8,8 m0,-8 l-8,8", // a cross
  infinite: "m0,5 v-10 m-4.5,4.5 l4.5,-4.5 l4.5,4.5", // an arrow that points up
  above: "m-4.5,3.5 h9 l-4.5,-8 z", // a triangle that points up
  below: "m-4.5,-3.5 h9 l-4.5,8 z", // and one that points down
  unmeasured: "m-4,0 h8", // a dash
  zero: "m-4,0 a4,4 0 1 0 8,0 a4,4 0 1 0 -8,0", // a ring
};

/**
 * A line through places, cut at the edges of the axis, broken at missing values.
 * @param {{x: number, line: number?}[]} places
 * @param {{top: number, bottom: number}} axis
 * @returns {string}
 */
export function linePath(places, { top, bottom }) {
  const beyond = ({ line }) => (line < top ? -1 : Number(line > bottom));
  const meet = (inner, outer) => {
    const line = beyond(outer) < 0 ? top : bottom;
    const share = (line - inner.line) / (outer.line - inner.line);
    return { x: inner.x + share * (outer.x - inner.x), line };
  };
  const at = (pen, { x, line }) => `${pen}${x.toFixed(1)},${line.toFixed(1)}`;
  let path = "";
  let from = null;
  for (const to of places) {
    if (to.line === null) {
      from = null;
      continue;
    }
    const before = from && beyond(from);
    const after = beyond(to);
    if (from === null) {
      if (!after) path += at("M", to);
    } else if (!before || before !== after) {
      if (before) path += at("M", meet(to, from));
      path += at("L", after ? meet(from, to) : to);
    }
    from = to;
  }
  return path;
}

/** The mark of a place that is not on the axis; empty for any other. */
export function glyph({ x, y, kind }) {
  return kind ? `M${x.toFixed(1)},${y.toFixed(1)}${GLYPHS[kind]}` : "";
}
