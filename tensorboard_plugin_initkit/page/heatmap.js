import { settle, shadesOf } from "./colour_scales.js";
import { html, setText, watchedWidth } from "./dom.js";
import {
  columnsOf,
  drawCells,
  drawFaults,
  drawLayers,
  drawSteps,
  labelsWidth,
  recordOf,
} from "./heatmap_drawing.js";
import { cellAfter, cellAt, cellLike, layoutOf } from "./heatmap_layout.js";
import { createLegend } from "./heatmap_legend.js";
import { inShort } from "./numbers.js";

const INK = { light: "#3c4043", dark: "#e3e5e8" };
const FONT_SIZE = 12;
const LEAST_OUTLINE = 7; // a cell may be less than a pixel
const HELP =
  "Arrow keys move from cell to cell, left and right through the recorded steps, " +
  "up and down through the layers. Home and End: first and last record. Page Up and " +
  "Page Down: ten records. Enter picks the cell, Escape leaves it.";

const styles = document.createElement("link");
styles.rel = "stylesheet";
styles.href = new URL("heatmap.css", import.meta.url).href;
document.head.append(styles);

/**
 * A cell.
 * @typedef {{layer: number, layerName: string, record: number, step: number,
 *   value: number}} Cell `layer` and `record` are indices
 */

/**
 * A statistic over depth and time: a row per layer, input on top, a column per record.
 * @param {{onPick: function(Cell), onHover: function(?Cell)}} listeners `onPick` at a
 *   click, Enter or Space; `onHover` when the pointer or the arrow keys reach another
 *   cell, null when they leave
 * @returns {{element: HTMLElement, point: function(?Cell), update: function(Object)}}
 *   `point` outlines a cell, such as another heatmap's, or none; `update` takes `name`,
 *   for `data-heatmap`; `title`, if it differs; `layers`, their names; `numbers`, their
 *   places in the network, if some are missing; `faults`, by layer name the step since
 *   which it is at fault; `steps`, ascending, shape (records,); `values`, shape
 *   (records, layers), row-major; `scale`, as `settle` takes it; `diverging`; `dark`
 */
export function createHeatmap({ onPick = () => {}, onHover = () => {} }) {
  const [readName, readValue] = [html("span"), html("span")];
  const canvas = html("canvas", { "aria-hidden": "true" });
  const [row, column] = [1, 2].map(() => html("div", { class: "heatmap-guide" }));
  const outline = html("div", { class: "heatmap-cell" });
  const title = html("div", { class: "heatmap-title" });
  const reading = html(
    "div",
    { class: "heatmap-reading", "aria-live": "polite", "aria-atomic": "true" },
    readName,
    readValue,
  );
  const plot = html("div", { class: "heatmap-plot" }, canvas, row, column, outline);
  const legend = html("div");
  const element = html(
    "div",
    { class: "heatmap", tabindex: "0", role: "application" },
    html("div", { class: "heatmap-head" }, title, reading),
    plot,
    legend,
  );

  const widthNow = watchedWidth(plot, () => draw());
  let data = null; // the props of the last update
  let colours = null; // [scale, shades]
  let layout = null;
  let shown = null; // the outlined Cell
  let remembered = null; // where the keys continue

  function draw() {
    const width = widthNow();
    if (!data || width === 0) return;
    const ratio = window.devicePixelRatio;
    const pen = canvas.getContext("2d");
    const font = `${FONT_SIZE}px ${getComputedStyle(element).fontFamily}`;
    pen.font = font;
    layout = layoutOf(width, labelsWidth(pen, data), data.layers.length);
    plot.style.height = `${layout.total}px`;
    box(canvas, 0, 0, width, layout.total);
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(layout.total * ratio);
    pen.scale(canvas.width / width, canvas.height / layout.total);
    pen.font = font;
    pen.fillStyle = element.style.color;
    drawCells(pen, layout, data, colours, ratio);
    drawLayers(pen, layout, data);
    const style = getComputedStyle(element);
    drawFaults(pen, layout, data, style.getPropertyValue("--trouble"));
    drawSteps(pen, layout, data.steps);
    place();
  }

  function place() {
    for (const mark of [row, column, outline]) mark.hidden = !shown || !layout;
    if (!shown || !layout) return;
    const across = layout.width / data.steps.length;
    const down = layout.height / data.layers.length;
    const x = layout.left + (shown.record + 0.5) * across;
    const y = layout.top + (shown.layer + 0.5) * down;
    const [w, h] = [across, down].map((size) => Math.max(size + 2, LEAST_OUTLINE));
    const bottom = layout.top + layout.height;
    box(row, layout.left, y - 0.5, Math.max(x - w / 2 - layout.left, 0), 1);
    box(column, x - 0.5, y + h / 2, 1, Math.max(bottom - y - h / 2, 0));
    box(outline, x - w / 2, y - h / 2, w, h);
  }

  function show(cell) {
    if (!outlined(cell, "polite")) return;
    remembered = shown ?? remembered;
    onHover(shown);
  }

  /** Outlines a cell as if the pointer were there, without calling a listener. */
  function point(cell) {
    if (data) outlined(cell, "off");
  }

  /** Outlines a cell, or none; returns whether it has changed. */
  function outlined(cell, live) {
    const next = cell && known(cell, data);
    const isOther = !same(next, shown);
    shown = next;
    place();
    if (!isOther) return false;
    reading.setAttribute("aria-live", live);
    setText(readName, shown ? shown.layerName : "");
    const isBad = shown?.step >= data.faults.get(shown?.layerName);
    const words = shown && `${inShort(shown.value)}${isBad ? ", at fault" : ""}`;
    setText(readValue, shown ? `, step ${shown.step}: ${words}` : "");
    return true;
  }

  function update(props) {
    const { name, layers, steps, values, dark } = props;
    const heading = props.title ?? name;
    data = { numbers: [...layers.keys()], faults: new Map(), ...props };
    const scale = settle(props.scale, values, props.diverging);
    colours = [scale, shadesOf(props.diverging, dark)];
    element.dataset.heatmap = name;
    element.style.color = dark ? INK.dark : INK.light;
    element.setAttribute("aria-label", `${heading}, a heatmap. ${HELP}`);
    setText(title, heading);
    legend.replaceChildren(createLegend(props.scale, ...colours));
    const empty = steps.length === 0 || layers.length === 0;
    draw();
    show(shown && !empty ? cellLike(shown, steps, layers) : null);
  }

  function pointed(event) {
    if (!layout) return null;
    const { left, top } = plot.getBoundingClientRect();
    const [x, y] = [event.clientX - left, event.clientY - top].map(pixelCentre);
    const cell = cellAt(x, y, layout, data.steps.length, data.layers.length);
    if (!cell) return null;
    const columns = columnsOf(layout, data.steps.length, window.devicePixelRatio);
    const under = Math.floor(((x - layout.left) / layout.width) * columns);
    return { ...cell, record: recordOf(under, columns, cell.layer, data) };
  }

  function pressed(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || !data) return;
    const [records, layers] = [data.steps.length, data.layers.length];
    if (records === 0 || layers === 0) return;
    if (event.key === "Escape") return show(null);
    const picks = event.key === "Enter" || event.key === " ";
    const start = remembered
      ? cellLike(remembered, data.steps, data.layers)
      : { record: 0, layer: 0 };
    const next = cellAfter(shown ?? start, event.key, records, layers);
    if (!picks && !next) return;
    event.preventDefault();
    if (next) show(shown ? next : start);
    else if (shown) onPick(shown);
  }

  plot.addEventListener("pointermove", (event) => show(pointed(event)));
  plot.addEventListener("pointerleave", () => show(null));
  plot.addEventListener("click", (event) => {
    show(pointed(event));
    if (shown) onPick(shown);
  });
  element.addEventListener("keydown", pressed);
  element.addEventListener("blur", () => show(null));
  return { element, point, update };
}

const pixelCentre = (length) =>
  (Math.floor(length * window.devicePixelRatio) + 0.5) / window.devicePixelRatio;

const known = ({ record, layer }, { layers, steps, values }) => ({
  layer,
  layerName: layers[layer],
  record,
  step: steps[record],
  value: values[record * layers.length + layer],
});

function same(one, other) {
  if (!one || !other) return one === other;
  return Object.keys(one).every((key) => Object.is(one[key], other[key]));
}

function box({ style }, ...lengths) {
  ["left", "top", "width", "height"].forEach((side, i) => {
    style[side] = `${lengths[i]}px`;
  });
}
