/** Scene 1: the network, and its regions of the plane. */

import { html } from "/charts/dom.js";
import { createNetwork } from "./network.js";

const SIZE = 320; // pixels of the plane
const POINT = 3.2;
const STRONGEST = 190; // out of 255, so a region is paler than the points on it
// Okabe and Ito's palette (2008), which works with any color vision.
const CLASSES = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9"].map((hex) =>
  [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)),
);

/**
 * @returns {{element: HTMLElement, update: (run: object, still: object, dark: boolean)
 *   => void}} `run` is from a frame, `still` from the server
 */
export function createPanel() {
  const network = createNetwork();
  const canvas = html("canvas", {
    ...{ width: SIZE, height: SIZE, class: "plane", role: "img" },
  });
  let by = "weights";
  let last = null;
  const choices = ["weights", "gradients"].map((name) => {
    const button = html("button", { type: "button", "aria-pressed": String(name === by) }, name);
    button.addEventListener("click", () => {
      by = name;
      for (const one of choices) {
        one.setAttribute("aria-pressed", String(one === button));
      }
      if (last) update(...last);
    });
    return button;
  });
  const element = html(
    "div",
    { class: "plane-panel" },
    html(
      "figure",
      {},
      html(
        "div",
        { class: "segments", role: "group", "aria-label": "Color of the lines" },
        ...choices,
      ),
      network.element,
    ),
    html("figure", {}, html("h3", {}, "Decision boundary"), canvas),
  );

  function update(run, still, dark) {
    last = [run, still, dark];
    network.update(run, by, dark);
    drawRegions(canvas, run, still, dark);
    drawPoints(canvas, still, dark);
    canvas.setAttribute(
      "aria-label",
      `The plane as the network divides it, and ${still.points.length} of the points.`,
    );
  }

  return { element, update };
}

/** Draws each place in the color of its class; the less certain, the paler. */
function drawRegions(canvas, { region, certainty }, { cells }, dark) {
  const classes = Math.max(...region) + 1;
  const chance = 255 / Math.max(2, classes);
  const page = dark ? 48 : 255;
  const image = new ImageData(cells, cells);
  for (const [i, name] of region.entries()) {
    const share = Math.max(0, (certainty[i] - chance) / (255 - chance));
    const strength = (STRONGEST / 255) * share;
    // The server's first row is the lowest of the plane.
    const at = 4 * ((cells - 1 - Math.floor(i / cells)) * cells + (i % cells));
    for (const channel of [0, 1, 2]) {
      image.data[at + channel] = page + (CLASSES[name][channel] - page) * strength;
    }
    image.data[at + 3] = 255;
  }
  const small = new OffscreenCanvas(cells, cells);
  small.getContext("2d").putImageData(image, 0, 0);
  canvas.getContext("2d").drawImage(small, 0, 0, SIZE, SIZE);
}

function drawPoints(canvas, { low, high, points, classes }, dark) {
  const context = canvas.getContext("2d");
  context.strokeStyle = dark ? "#202124" : "#fff";
  for (const [i, [x, y]] of points.entries()) {
    context.fillStyle = `rgb(${CLASSES[classes[i]].join(" ")})`;
    context.beginPath();
    const across = ((x - low[0]) / (high[0] - low[0])) * SIZE;
    const down = SIZE - ((y - low[1]) / (high[1] - low[1])) * SIZE;
    context.arc(across, down, POINT, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
  }
}
