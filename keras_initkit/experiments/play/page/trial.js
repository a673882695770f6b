/** One start in training: its lesson, its picture, its cost and its findings. */

import { html, setText } from "/charts/dom.js";
import { inShort, inWords } from "/charts/numbers.js";
import { createLineChart } from "./line_chart.js";

const COPY = "Copy as Keras code";
const COPIED = 2000; // milliseconds to show "Copied"
const COST = { logarithmic: false, low: 0, high: null };

/**
 * @param {string} title
 * @param {{element: HTMLElement, update: function}} panel of the scene
 * @param {() => Promise<string?>} getCode returns the program that trains the same
 * @returns {{element: HTMLElement, update: (run: object, still: object, dark: boolean)
 *   => void}} `run` is from a frame
 */
export function createTrial(title, panel, getCode) {
  // The second sentence changes with each picture, so screen readers skip it.
  const sentences = ["polite", "off", "polite"].map((live) =>
    html("p", { "aria-live": live }),
  );
  const cost = createLineChart("Cost");
  const reading = html("p", { class: "reading" });
  const findings = html("ul", { class: "found", "aria-label": "Findings" });
  const copy = html("button", { type: "button", class: "copy-code" }, COPY);
  const program = html("pre", { class: "program", hidden: true, tabindex: "0" });
  copy.addEventListener("click", async () => {
    const code = await getCode();
    program.hidden = code === null;
    if (code === null) return;
    setText(program, code);
    // If the browser forbids it, the reader can select the program.
    await navigator.clipboard?.writeText(code).catch(() => {});
    setText(copy, "Copied");
    setTimeout(() => setText(copy, COPY), COPIED);
  });
  const element = html(
    "article",
    { class: "trial" },
    html("header", {}, html("h2", {}, title), copy),
    program,
    html("div", { class: "lesson" }, ...sentences),
    panel.element,
    cost.element,
    reading,
    findings,
  );

  function update(run, still, dark) {
    for (const [i, sentence] of run.lesson.entries()) setText(sentences[i], sentence);
    panel.update(run, still, dark);
    const points = run.curve.map((point) => point.map(Number));
    const [xs, ys] = [0, 1].map((axis) => points.map((point) => point[axis]));
    cost.update([{ kind: "measured", xs, ys }], COST);
    const right = Math.round(100 * run.accuracy);
    setText(reading, `cost ${inShort(ys.at(-1))}, ${right} % of the samples right`);
    element.dataset.cost = ys.at(-1);
    element.dataset.accuracy = run.accuracy;
    const key = JSON.stringify(run.findings);
    if (findings.dataset.key !== key) {
      findings.dataset.key = key;
      findings.replaceChildren(...run.findings.map(lineOf));
    }
  }

  return { element, update };
}

function lineOf({ problem, since, severity, cause, evidence, fix }) {
  return html(
    "li",
    { "data-problem": problem },
    html("strong", { class: severity }, inWords(problem)),
    ` since step ${since}: ${cause}. ${evidence}.`,
    html("code", {}, fix),
  );
}
