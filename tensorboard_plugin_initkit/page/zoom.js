/** A part of a chart, chosen by dragging or with the keyboard. */

import { html, setAttributes, svg } from "./dom.js";

const LEAST_DRAG = 5; // pixels; a shorter drag is a click
const FACTOR = 1.6; // per key press
const SMALLEST = 1e-4; // share of the whole
const WHOLE = { x: [0, 1], y: [0, 1] };

export const ZOOM_HELP =
  "Drag to zoom in, hold Shift to move. Plus and minus also zoom. 0 shows the whole chart.";

/**
 * Makes a chart zoom.
 * @param {HTMLElement} element has the chart and the focus
 * @param {SVGElement} chart
 * @param {object} of the chart
 * @param {() => object} of.plot its edges and axis, see frame.js
 * @param {() => ?{x: number, y: number}} of.focus the place of the keyboard, in pixels
 * @param {() => void} of.onChange draws it again
 * @returns {{part: () => Part, whole: function()}} the shown part; `whole` resets it
 *
 * @typedef {{x: number[], y: number[]}} Part the start and end of the shown part of each
 *   axis, as shares of the whole; y upward
 */
export function createZoom(element, chart, { plot, focus, onChange }) {
  const button = html("button", { type: "button", class: "whole", hidden: true });
  button.textContent = "Whole chart";
  const box = svg("rect", { class: "zoom-box" });
  let part = WHOLE;
  let start = null; // where the pointer went down
  let isDragging = false;
  let wasDragging = false; // then the following click does not count

  function show(next) {
    part = next;
    button.hidden = part === WHOLE;
    onChange();
  }

  const whole = () => {
    part = WHOLE;
    button.hidden = true;
  };

  function placeOf(event) {
    const { left, top } = chart.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  function sharesAt({ x, y }, { x: [x0, x1], y: [y0, y1] }) {
    const { left, right, axis } = plot();
    return {
      x: x0 + ((x - left) / (right - left)) * (x1 - x0),
      y: y0 + ((axis.bottom - y) / (axis.bottom - axis.top)) * (y1 - y0),
    };
  }

  function down(event) {
    wasDragging = false;
    if (event.button !== 0 || event.pointerType === "touch") return;
    const { left, right, top, bottom } = plot();
    const { x, y } = placeOf(event);
    if (x < left || x > right || y < top || y > bottom) return;
    start = { x, y, part, isMoving: event.shiftKey };
  }

  function move(event) {
    if (!start) return;
    const now = placeOf(event);
    const [across, along] = [now.x - start.x, now.y - start.y];
    if (!isDragging && Math.hypot(across, along) < LEAST_DRAG) return;
    if (!isDragging) element.setPointerCapture(event.pointerId);
    isDragging = true;
    event.stopPropagation(); // a drag points at nothing
    if (start.isMoving) {
      const [from, to] = [start, now].map((place) => sharesAt(place, start.part));
      const moved = (axis) => shifted(start.part[axis], from[axis] - to[axis]);
      show({ x: moved("x"), y: moved("y") });
      return;
    }
    if (!box.isConnected) chart.append(box);
    setAttributes(box, {
      x: Math.min(start.x, now.x),
      y: Math.min(start.y, now.y),
      width: Math.abs(across),
      height: Math.abs(along),
    });
  }

  function up(event) {
    if (isDragging && !start.isMoving) {
      const [a, b] = [start, placeOf(event)].map((place) => sharesAt(place, part));
      show({ x: between(a.x, b.x), y: between(a.y, b.y) });
    }
    wasDragging = isDragging;
    cancel();
  }

  function cancel() {
    box.remove();
    start = null;
    isDragging = false;
  }

  function pressed(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (!["+", "-", "0"].includes(event.key)) return;
    event.preventDefault();
    if (event.key === "0") return show(WHOLE);
    const { left, right, axis } = plot();
    const { x, y } = focus() ?? {};
    const middle = { x: (left + right) / 2, y: (axis.top + axis.bottom) / 2 };
    const at = sharesAt({ x: x ?? middle.x, y: y ?? middle.y }, part);
    const factor = event.key === "+" ? 1 / FACTOR : FACTOR;
    const next = { x: scaled(part.x, at.x, factor), y: scaled(part.y, at.y, factor) };
    const isWhole = [...next.x, ...next.y].every((share, i) => share === (i & 1));
    show(isWhole ? WHOLE : next);
  }

  button.addEventListener("click", () => show(WHOLE));
  element.prepend(button);
  element.addEventListener("pointerdown", down);
  element.addEventListener("pointermove", move, { capture: true });
  element.addEventListener("pointerup", up);
  element.addEventListener("pointercancel", cancel);
  element.addEventListener(
    "click",
    (event) => {
      if (wasDragging) event.stopPropagation();
      wasDragging = false;
    },
    { capture: true },
  );
  element.addEventListener("keydown", pressed);
  return { part: () => part, whole };
}

/** The range from the smaller of two shares to the larger. */
function between(one, other) {
  const [low, high] = [one, other].map((share) => Math.min(1, Math.max(0, share)));
  const middle = (low + high) / 2;
  const half = Math.max(Math.abs(high - low), SMALLEST) / 2;
  return [middle - half, middle + half];
}

function shifted([low, high], by) {
  const most = Math.min(1 - high, Math.max(-low, by));
  return [low + most, high + most];
}

function scaled([low, high], center, factor) {
  const size = Math.min(1, Math.max(SMALLEST, (high - low) * factor));
  const start = center - ((center - low) / (high - low)) * size;
  const from = Math.min(1 - size, Math.max(0, start));
  return [from, from + size];
}
