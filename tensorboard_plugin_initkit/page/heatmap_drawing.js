import { colourOf } from "./colour_scales.js";
import { LABEL_HEIGHT, labelled, shortened, stepTicks } from "./heatmap_layout.js";

const QUIET = 0.72; // opacity of secondary text
const NUMBER_GAP = 6;
const FAULT = { gap: 6, bar: 4 };
const STEP_GAP = 14;
const AXIS = "recorded steps";
const NOTHING = "no steps were recorded";

/**
 * The number of columns of pixels for the records.
 * @param {{width: number}} layout
 * @param {number} records their number
 * @param {number} ratio device pixels per CSS pixel
 * @returns {number}
 */
export const columnsOf = (layout, records, ratio) =>
  Math.min(records, Math.ceil(layout.width * ratio));

/**
 * The record that a column of pixels shows for a layer. If there are several, it is the
 * first that is not finite, so none is overlooked.
 * @param {number} column index
 * @param {number} columns their number, at most the number of records
 * @param {number} layer index
 * @param {{layers: string[], steps: ArrayLike<number>, values: Float32Array}} data
 * @returns {number} index
 */
export function recordOf(column, columns, layer, { layers, steps, values }) {
  const first = Math.floor((column * steps.length) / columns);
  const end = Math.floor(((column + 1) * steps.length) / columns);
  for (let i = first; i < end; i++) {
    if (!Number.isFinite(values[i * layers.length + layer])) return i;
  }
  return first;
}

/** Draws every cell in the color of its value. */
export function drawCells(pen, layout, data, [scale, shades], ratio) {
  const rows = data.layers.length;
  const columns = columnsOf(layout, data.steps.length, ratio);
  if (rows === 0 || columns === 0) return;
  const picture = new ImageData(columns, rows);
  for (let layer = 0, at = 0; layer < rows; layer++) {
    for (let column = 0; column < columns; column++, at += 4) {
      const record = recordOf(column, columns, layer, data);
      const colour = colourOf(data.values[record * rows + layer], scale, shades);
      picture.data.set(colour, at);
      picture.data[at + 3] = 255;
    }
  }
  const small = new OffscreenCanvas(columns, rows);
  small.getContext("2d").putImageData(picture, 0, 0);
  pen.imageSmoothingEnabled = false;
  pen.drawImage(small, layout.left, layout.top, layout.width, layout.height);
}

const numberWidth = (pen, numbers) =>
  pen.measureText(String(numbers.at(-1) ?? 0)).width + NUMBER_GAP;

/** The width that the numbers and names of the layers need. */
export function labelsWidth(pen, { layers, numbers }) {
  const widths = layers.map((name) => pen.measureText(name).width);
  return numberWidth(pen, numbers) + Math.max(0, ...widths);
}

/** Draws the numbers and names of the layers, left of their rows. */
export function drawLayers(pen, layout, { layers, numbers }) {
  const pitch = layout.height / layers.length;
  const room = numberWidth(pen, numbers);
  const widthOf = (text) => pen.measureText(text).width;
  pen.textBaseline = "middle";
  for (const layer of labelled(layers.length, pitch, LABEL_HEIGHT)) {
    const y = layout.top + (layer + 0.5) * pitch;
    pen.globalAlpha = QUIET;
    pen.textAlign = "right";
    pen.fillText(String(numbers[layer]), room - NUMBER_GAP, y);
    pen.globalAlpha = 1;
    pen.textAlign = "left";
    const name = shortened(layers[layer], layout.labels - room, widthOf);
    pen.fillText(name, room, y);
  }
}

/** Draws a bar beside the rows of the layers at fault. */
export function drawFaults(pen, layout, { layers, faults }, colour) {
  const pitch = layout.height / layers.length;
  const ink = pen.fillStyle;
  pen.fillStyle = colour;
  for (const [layer, name] of layers.entries()) {
    if (!faults.has(name)) continue;
    const y = layout.top + layer * pitch;
    pen.fillRect(layout.left - FAULT.gap, y, FAULT.bar, Math.max(pitch, 1));
  }
  pen.fillStyle = ink;
}

/** Draws the steps below their columns, and the title of the axis. */
export function drawSteps(pen, layout, steps) {
  const pitch = layout.width / steps.length;
  const widthOf = (record) => pen.measureText(String(steps[record])).width;
  const widest = steps.length ? Math.max(widthOf(0), widthOf(steps.length - 1)) : 0;
  const bottom = layout.top + layout.height;
  pen.textAlign = "center";
  pen.textBaseline = "top";
  for (const record of stepTicks(steps, pitch, widest + STEP_GAP)) {
    const x = layout.left + (record + 0.5) * pitch;
    pen.fillRect(x - 0.5, bottom + 1, 1, 4);
    pen.fillText(String(steps[record]), x, bottom + 8);
  }
  pen.globalAlpha = QUIET;
  const axis = steps.length ? AXIS : NOTHING;
  pen.fillText(axis, layout.left + layout.width / 2, bottom + 25);
  pen.globalAlpha = 1;
}
