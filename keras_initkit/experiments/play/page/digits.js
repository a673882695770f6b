/** Scene 3: the activations of each layer, and a hundred digits. */

import { html, setText, svg } from "/charts/dom.js";
import { inShort } from "/charts/numbers.js";

const COLUMNS = 10; // digits in a row
const GAP = 2; // pixels between them
const RIGHT = { light: [0, 114, 178], dark: [75, 163, 227] };
const WRONG = { light: [213, 94, 0], dark: [255, 138, 61] };

/** As in plane.js. */
export function createPanel() {
  const histograms = html("div", { class: "histograms" });
  const canvas = html("canvas", { class: "digits", role: "img" });
  const count = html("p", { class: "reading" });
  const element = html(
    "div",
    { class: "digits-panel" },
    html("figure", {}, html("h3", {}, "Activations of each layer"), histograms),
    html("figure", {}, html("h3", {}, "A hundred test digits"), canvas, count),
  );
  let shown = [];

  function update(run, still, dark) {
    if (shown.length !== run.layers.length) {
      shown = run.layers.map(createHistogram);
      histograms.replaceChildren(...shown.map(({ element }) => element));
    }
    for (const [i, layer] of run.layers.entries()) shown[i].update(layer, i);
    const right = run.predicted.filter((digit, i) => digit === still.digits[i]).length;
    const words = `${right} of ${still.digits.length} right (blue), the others wrong (red)`;
    setText(count, words);
    canvas.setAttribute("aria-label", words);
    canvas.dataset.right = right;
    drawDigits(canvas, run, still, dark ? "dark" : "light");
  }

  return { element, update };
}

function createHistogram() {
  const bars = svg("path");
  const picture = svg(
    "svg",
    { class: "histogram", preserveAspectRatio: "none", role: "img" },
    bars,
  );
  const caption = html("figcaption");
  const element = html("figure", {}, picture, caption);

  function update({ counts, zeros, low, high, gradient }, layer) {
    const most = Math.max(1, ...counts);
    picture.setAttribute("viewBox", `0 0 ${counts.length} 1`);
    const bar = (n, i) => `M${i},1 v${-n / most} h0.9 V1z`;
    bars.setAttribute("d", counts.map(bar).join(""));
    const range = `${inShort(Number(low))} to ${inShort(Number(high))}`;
    const silent = zeros > 0 ? `, ${Math.round(100 * zeros)} % are 0` : "";
    const slope = gradient === null ? "" : `, gradient ${inShort(Number(gradient))}`;
    setText(caption, `Layer ${layer + 1}: ${range}${silent}${slope}`);
    picture.setAttribute("aria-label", caption.textContent);
  }

  return { element, update };
}

function drawDigits(canvas, { predicted }, { side, pixels, digits }, theme) {
  const cell = side + GAP;
  canvas.width = canvas.height = COLUMNS * cell;
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  for (const [number, picture] of pixels.entries()) {
    const ink = (predicted[number] === digits[number] ? RIGHT : WRONG)[theme];
    const [row, column] = [Math.floor(number / COLUMNS), number % COLUMNS];
    for (const [i, grey] of picture.entries()) {
      const x = column * cell + (i % side);
      const y = row * cell + Math.floor(i / side);
      // As ink on the page: blank pixels show the page.
      image.data.set([...ink, grey], 4 * (y * canvas.width + x));
    }
  }
  context.putImageData(image, 0, 0);
}
