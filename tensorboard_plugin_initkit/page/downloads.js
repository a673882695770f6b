/** Downloads of the view: its numbers as CSV, its charts as pictures. */

import { recordAt, rowOf } from "./data.js";
import { html, setAttributes, svg } from "./dom.js";

const HEADINGS = ["run", "statistic", "step", "number", "layer", "value"];
const DIGITS = 9; // enough to distinguish all float32
const CHARTS = "svg.chart, .heatmap canvas";
// The CSS properties that show in a chart.
const STYLES = [
  ...["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "opacity"],
  ...["stroke-linecap", "stroke-linejoin", "font-family", "font-size", "font-weight"],
  ...["display", "visibility", "paint-order"],
];

/**
 * @param {object} of the view
 * @param {() => any[][]} of.rows its numbers, the headings first
 * @param {() => string} of.name of the files
 * @param {HTMLElement} of.stage which has the charts
 * @returns {{element: HTMLElement}}
 */
export function createDownloads({ rows, name, stage }) {
  const numbers = html("button", { type: "button", id: "download-csv" });
  const pictures = html("button", { type: "button", id: "download-picture" });
  numbers.textContent = "Numbers (CSV)";
  pictures.textContent = "Picture";
  numbers.addEventListener("click", () => {
    const text = rows().map((row) => row.map(field).join(",")).join("\r\n");
    save(new Blob([`${text}\r\n`], { type: "text/csv" }), `${name()}.csv`);
  });
  pictures.addEventListener("click", () => {
    const all = [...stage.querySelectorAll(CHARTS)];
    const charts = all.filter((chart) => chart.checkVisibility());
    for (const [i, chart] of charts.entries()) {
      const stem = charts.length > 1 ? `${name()}_${i + 1}` : name();
      if (chart instanceof SVGElement) save(standalone(chart), `${stem}.svg`);
      else chart.toBlob((picture) => save(picture, `${stem}.png`));
    }
  });
  const label = html("span", {}, "Download");
  return { element: html("p", { class: "downloads" }, label, numbers, pictures) };
}

/**
 * The rows of some series, the headings first.
 * @param {Object<string, Series[]>} shown by statistic
 * @param {?number} step the shown step; null for all
 * @returns {any[][]}
 */
export function rowsOf(shown, step) {
  const rows = [HEADINGS];
  for (const [statistic, series] of Object.entries(shown)) {
    for (const { run, ownNames, numbers, profiles } of series) {
      const last = step === null ? profiles.steps.length - 1 : recordAt(profiles, step);
      for (let record = step === null ? 0 : last; 0 <= record && record <= last; record++) {
        for (const [i, value] of rowOf(profiles, record).entries()) {
          const at = [run, statistic, profiles.steps[record], numbers[i], ownNames[i]];
          rows.push([...at, Number(value.toPrecision(DIGITS))]);
        }
      }
    }
  }
  return rows;
}

function field(value) {
  const text = String(value ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A chart that looks the same without this page's style sheets. */
function standalone(chart) {
  const copy = chart.cloneNode(true);
  const originals = chart.querySelectorAll("*");
  for (const [i, element] of copy.querySelectorAll("*").entries()) {
    const style = getComputedStyle(originals[i]);
    for (const name of STYLES) element.style[name] = style.getPropertyValue(name);
  }
  const { width, height } = chart.getBoundingClientRect();
  const page = svg("rect", { width: "100%", height: "100%" });
  page.style.fill = getComputedStyle(document.body).backgroundColor;
  copy.prepend(page);
  setAttributes(copy, { width, height, xmlns: "http://www.w3.org/2000/svg" });
  const text = new XMLSerializer().serializeToString(copy);
  return new Blob([text], { type: "image/svg+xml" });
}

function save(blob, name) {
  const address = URL.createObjectURL(blob);
  html("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
