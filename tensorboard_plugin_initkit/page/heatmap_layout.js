// The layout of a heatmap, and the texts of its labels. Lengths are CSS pixels.

import { inShort, powerOfTen } from "./numbers.js";

const MARGIN = { top: 7, right: 22, bottom: 40 }; // right: half of a step's label
const LABEL_GAP = 8;
const TALLEST = 384; // height of all cells
const ROW = { least: 14, most: 22 };
const COMFORTABLE = 264; // up to this height, the rows have their full height
const WHOLE_ROW = 6; // from this height, all rows have the same number of pixels
const PAGE_OF_RECORDS = 10;

/** Least distance between the labels of two layers. */
export const LABEL_HEIGHT = 14;

/**
 * The rectangle of the cells.
 * @param {number} width the whole width
 * @param {number} labels the width that the layers' labels need
 * @param {number} layers their number
 * @returns {{left: number, top: number, width: number, height: number,
 *   labels: number, total: number}} `labels` is the width that the labels get, `total`
 *   the whole height
 */
export function layoutOf(width, labels, layers) {
  const room = Math.min(labels, Math.max(width * 0.28, 84));
  const left = Math.ceil(room + LABEL_GAP);
  const wanted = Math.min(Math.max(COMFORTABLE / layers, ROW.least), ROW.most);
  const row = Math.min(wanted, TALLEST / layers);
  const height = Math.max((row < WHOLE_ROW ? row : Math.floor(row)) * layers, 1);
  return {
    left,
    top: MARGIN.top,
    width: Math.max(Math.floor(width - left - MARGIN.right), 1),
    height,
    labels: room,
    total: MARGIN.top + height + MARGIN.bottom,
  };
}

/**
 * The cell under a point.
 * @param {number} x from the element's left
 * @param {number} y from the element's top
 * @param {{left: number, top: number, width: number, height: number}} layout
 * @param {number} records their number
 * @param {number} layers their number
 * @returns {?{record: number, layer: number}} null if there is none
 */
export function cellAt(x, y, layout, records, layers) {
  const record = Math.floor(((x - layout.left) / layout.width) * records);
  const layer = Math.floor(((y - layout.top) / layout.height) * layers);
  const inside = record >= 0 && record < records && layer >= 0 && layer < layers;
  return inside ? { record, layer } : null;
}

/**
 * The cell that a key leads to.
 * @param {{record: number, layer: number}} cell
 * @param {string} key a `KeyboardEvent.key`
 * @param {number} records their number
 * @param {number} layers their number
 * @returns {?{record: number, layer: number}} null if the key leads nowhere
 */
export function cellAfter({ record, layer }, key, records, layers) {
  const target = {
    ArrowLeft: [record - 1, layer],
    ArrowRight: [record + 1, layer],
    ArrowUp: [record, layer - 1],
    ArrowDown: [record, layer + 1],
    PageUp: [record - PAGE_OF_RECORDS, layer],
    PageDown: [record + PAGE_OF_RECORDS, layer],
    Home: [0, layer],
    End: [records - 1, layer],
  }[key];
  return target ? within(target[0], target[1], records, layers) : null;
}

/**
 * The cell of the same layer, by name, at the nearest step in other data.
 * @param {{step: number, layerName: string, layer: number}} picked
 * @param {ArrayLike<number>} steps ascending
 * @param {string[]} layers
 * @returns {{record: number, layer: number}}
 */
export function cellLike(picked, steps, layers) {
  const distance = (record) => Math.abs(steps[record] - picked.step);
  let nearest = 0;
  for (let i = 1; i < steps.length; i++) {
    if (distance(i) < distance(nearest)) nearest = i;
  }
  const layer = layers.indexOf(picked.layerName);
  return within(nearest, layer < 0 ? picked.layer : layer, steps.length, layers.length);
}

function within(record, layer, records, layers) {
  return {
    record: Math.min(Math.max(record, 0), records - 1),
    layer: Math.min(Math.max(layer, 0), layers - 1),
  };
}

/**
 * The evenly spaced items that get a label: the first, the last, and some between.
 * @param {number} count the number of items
 * @param {number} pitch distance from one item to the next
 * @param {number} least distance from one label to the next
 * @returns {number[]} indices, ascending
 */
export function labelled(count, pitch, least) {
  const every = roundUp(Math.max(least / pitch, 1));
  const last = count - 1;
  const chosen = [];
  for (let i = 0; i < last && (last - i) * pitch >= least; i += every) chosen.push(i);
  if (count > 0) chosen.push(last);
  return chosen;
}

/**
 * The records that get a label: the first, the last, and round steps between.
 * @param {ArrayLike<number>} steps ascending
 * @param {number} pitch distance from one record to the next
 * @param {number} least distance from one label to the next
 * @returns {number[]} indices, ascending
 */
export function stepTicks(steps, pitch, least) {
  const last = steps.length - 1;
  const even = labelled(steps.length, pitch, least);
  const apart = (i, j) => Math.abs(i - j) * pitch >= least;
  const isApart = (i, at, all) => at === 0 || apart(i, all[at - 1]);
  let chosen = last > 0 && apart(0, last) ? [0, last] : even;
  for (let power = 10 ** Math.ceil(Math.log10(steps[last])); power >= 1; power /= 10) {
    const free = [...steps.keys()].filter((i) => steps[i] % power === 0);
    const more = [1, 2, 5]
      .map((digit) => free.filter((i) => steps[i] % (digit * power) === 0))
      .map((round) => round.filter((i) => chosen.every((other) => apart(i, other))))
      .find((round) => round.length > 0 && round.every(isApart));
    chosen = [...chosen, ...(more ?? [])];
  }
  chosen.sort((one, other) => one - other);
  return chosen.length * 2 < even.length ? even : chosen;
}

function roundUp(number) {
  const power = 10 ** Math.floor(Math.log10(number));
  const enough = (digit) => digit * power >= number * (1 - 1e-9);
  return power * [1, 2, 5, 10].find(enough);
}

/**
 * The places of the color bar's labels.
 * @param {{logarithmic: boolean, low: number, high: number}} scale from `settle`
 * @returns {number[]} ascending from `low` to `high`, at most 6
 */
export function scaleTicks({ logarithmic, low, high }) {
  const span = high - low;
  const wide = roundUp(span / 5);
  const steps = logarithmic ? [1, 2, 3, 4, 5, 6, 8, 10, 20, 50, 100] : [wide, 2 * wide];
  const few = steps.filter((step) => span / step < 5.01);
  const whole = (place) => Math.abs(place - Math.round(place)) < 1e-6;
  const divides = (step) => whole(low / step) && whole(high / step);
  const step = few.find(divides) ?? few[0];
  const ticks = [low];
  for (let i = Math.ceil(low / step); i * step < high; i++) {
    const fromEnds = Math.min(i * step - low, high - i * step);
    if (fromEnds > 0.19 * span) ticks.push(i * step);
  }
  return [...ticks, high];
}

/**
 * The name of a place on a scale.
 * @param {number} place log10 of the value if the scale is logarithmic
 * @param {boolean} logarithmic
 * @returns {string} such as "10⁻⁸"
 */
export function placeName(place, logarithmic) {
  if (!logarithmic) return inShort(place);
  if (!Number.isInteger(place) || place === 0) return inShort(10 ** place);
  return powerOfTen(place);
}

/**
 * A text that fits, shortened in the middle, because names often differ at the end.
 * @param {string} text
 * @param {number} room
 * @param {function(string): number} widthOf the width of a text
 * @returns {string}
 */
export function shortened(text, room, widthOf) {
  if (widthOf(text) <= room) return text;
  const letters = [...text];
  for (let kept = letters.length - 1; kept > 1; kept--) {
    const end = Math.floor(kept / 2);
    const ends = [letters.slice(0, kept - end), letters.slice(-end)];
    const short = ends.map((part) => part.join("")).join("…");
    if (widthOf(short) <= room) return short;
  }
  return "…";
}
