/** A statistic over the depth of the network: one line per run. */

import { recordAt, rowOf } from "./data.js";
import { html, setAttributes, svg, watchedWidth } from "./dom.js";
import { inTheseWords, layOut, move } from "./profile_drawing.js";
import { isStale } from "./redraw.js";
import { ZOOM_HELP, createZoom } from "./zoom.js";

const MOST_LINES = 12; // runs to list at a point
const HELP =
  "Left and right arrow keys move through the layers, up and down through the runs. " +
  `Enter shows a layer over the steps. ${ZOOM_HELP}`;

/**
 * @typedef {object} Series
 * @property {string} run its full name; `label` for the reader; `style`, see colours.js
 * @property {string[]} layers their names, the same in all runs of one architecture;
 *   `ownNames`, the run's own names for them; `numbers`, their places in the network, if
 *   some are missing
 * @property {Profiles} profiles
 * @property {Map<string, number>} faults the step since which a layer is at fault
 */

/**
 * Makes the chart. When the series change, it draws everything that does not move with
 * the step. When the step changes, only attributes change.
 *
 * @param {{onPick: function(object), onHover: function(?object)}} listeners of mouse and
 *   keyboard. They take a point: `run`, `label`, `layer` (its name), `name` (the run's
 *   own name for it), `step`, `value`, and the value's `words`
 * @returns {{element: HTMLElement, update: function(object)}} `update` takes the
 *   `series`, the `scale` and the `title` of the statistic, the `step`, `layer`: the
 *   name of the open one, or null, and `lines`: "kind" for a line through each kind of
 *   layer, otherwise one line goes through all
 */
export function createProfileChart({ onPick, onHover }) {
  const chart = svg("svg", { class: "chart", role: "none" });
  const element = html("div", { class: "profile-chart", role: "group" }, chart);
  const zoom = createZoom(element, chart, {
    plot: () => drawn.plot,
    focus: () => active && at(active),
    onChange: draw,
  });
  const width = watchedWidth(element, () => props && draw());
  let props = null;
  let drawn = null; // the current layout
  let active = null; // the point under the keyboard or the mouse
  let stop = null; // the point that the Tab key leads to

  function update(next) {
    if (next.scale !== props?.scale || depth(next) !== depth(props)) zoom.whole();
    props = next;
    draw();
  }

  function draw() {
    const key = [
      props.scale,
      props.lines,
      zoom.part(),
      width(),
      ...props.series.map((s) => s.profiles),
    ];
    if (isStale(drawn, key)) {
      const hadFocus = element.contains(document.activeElement);
      const place = active; // the focused circle clears it when it disappears
      active = stop = null;
      drawn = { key, ...layOut(chart, props, width(), zoom.part()) };
      move(drawn, props);
      if (place && at(place)) activate(place);
      if (active && hadFocus) at(active).circle.focus({ preventScroll: true });
    } else {
      move(drawn, props);
    }
    element.setAttribute("aria-label", `${props.title}. ${HELP}`);
    if (active) point();
    if (!stop || !at(stop).shown) stopAt(firstShown(drawn.points));
  }

  function at({ index, layer }) {
    return drawn.points[index]?.[layer];
  }

  function stopAt(place) {
    if (stop) at(stop).circle.setAttribute("tabindex", "-1");
    stop = place;
    if (stop) at(stop).circle.setAttribute("tabindex", "0");
  }

  function activate(place) {
    if (active) at(active).circle.setAttribute("class", "point");
    active = place;
    if (active) at(active).circle.setAttribute("class", "point active");
    if (active) stopAt(active);
    point();
  }

  /** Describes the active point. */
  function point() {
    const { guide, tip, plot } = drawn;
    const place = active && at(active);
    guide.setAttribute("visibility", place?.shown ? "visible" : "hidden");
    if (!place?.shown) {
      tip.hide();
      onHover(null);
      return;
    }
    const { x, y } = place;
    const found = pointAt(active);
    setAttributes(guide, { x1: x, x2: x });
    tip.show([{ words: found.name }, ...linesAt(active)], { ...plot, x, y });
    onHover(found);
  }

  /** The values of all runs at a layer, the highest first; if many, those around one. */
  function linesAt({ index, layer }) {
    const all = [...props.series.keys()].filter((i) => at({ index: i, layer })?.shown);
    const found = all.map((i) => ({ ...pointAt({ index: i, layer }), i }));
    found.sort((one, other) => (other.value || 0) - (one.value || 0));
    const here = found.findIndex(({ i }) => i === index);
    const first = Math.max(0, Math.min(here - MOST_LINES / 2, found.length - MOST_LINES));
    return found.slice(first, first + MOST_LINES).map(({ label, words, i }) => ({
      words: `${label}: ${words}`,
      style: props.series[i].style,
      isStrong: i === index,
    }));
  }

  function pointAt({ index, layer }) {
    const series = props.series[index];
    const { profiles, run, label, layers, ownNames = layers } = series;
    const record = recordAt(profiles, props.step);
    const value = rowOf(profiles, record)[layer];
    const words = inTheseWords(value, profiles.measured[layer]);
    return {
      run,
      label,
      layer: layers[layer],
      name: ownNames[layer],
      step: profiles.steps[record],
      value,
      words,
    };
  }

  function nearest(event) {
    const box = chart.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let best = null;
    for (const [index, points] of drawn.points.entries()) {
      for (const [layer, point] of points.entries()) {
        if (!point.shown) continue;
        const distance = 4 * Math.abs(point.x - x) + Math.abs(point.y - y);
        if (!best || distance < best.distance) best = { index, layer, distance };
      }
    }
    return best && { index: best.index, layer: best.layer };
  }

  element.addEventListener("pointermove", (event) => {
    const place = nearest(event);
    if (place?.index !== active?.index || place?.layer !== active?.layer) {
      activate(place);
    }
  });
  element.addEventListener("pointerleave", () => {
    if (!element.contains(document.activeElement)) activate(null);
  });
  element.addEventListener("click", (event) => {
    const place = nearest(event);
    if (place) onPick(pointAt(place));
  });
  element.addEventListener("focusin", ({ target: circle }) => {
    for (const [index, points] of drawn.points.entries()) {
      const layer = points.findIndex((point) => point.circle === circle);
      if (layer >= 0) activate({ index, layer });
    }
  });
  element.addEventListener("focusout", () => activate(null));
  element.addEventListener("keydown", (event) => {
    if (!active) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      onPick(pointAt(active));
      return;
    }
    const next = neighbour(drawn.points, active, event.key);
    if (!next) return;
    event.preventDefault();
    at(next).circle.focus();
  });

  return { element, update };
}

function firstShown(points) {
  for (const [index, ofRun] of points.entries()) {
    const layer = ofRun.findIndex(({ shown }) => shown);
    if (layer >= 0) return { index, layer };
  }
  return null;
}

/** The number of layers. */
function depth({ series }) {
  return Math.max(0, ...series.map(({ layers }) => layers.length));
}

/** The point that an arrow key leads to; null for another key or for nothing. */
function neighbour(points, { index, layer }, key) {
  const last = points[index].length - 1;
  const moves = {
    ArrowLeft: [index, layer - 1],
    ArrowRight: [index, layer + 1],
    ArrowUp: [index - 1, Math.min(layer, points[index - 1]?.length - 1)],
    ArrowDown: [index + 1, Math.min(layer, points[index + 1]?.length - 1)],
    Home: [index, 0],
    End: [index, last],
  };
  const [i, l] = moves[key] ?? [];
  return points[i]?.[l]?.shown ? { index: i, layer: l } : null;
}
