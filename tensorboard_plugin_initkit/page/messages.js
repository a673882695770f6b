/** The messages of a page that has nothing to draw. */

import { html } from "./dom.js";

/**
 * @param {string} state of the page: "loading", "empty", "failed" or "ready"
 * @param {string} sentence what failed; "" if the runs cannot be read
 * @param {object[]} runs all of them
 * @param {function()} retry
 * @returns {HTMLElement[]}
 */
export function messageOf(state, sentence, runs, retry) {
  if (state === "ready") return [];
  if (state === "loading") {
    return [html("p", {}, "Loading the statistics of the layers …")];
  }
  if (state === "empty") {
    return [
      html("h1", {}, "No layer statistics were found"),
      html("p", {}, "Record them while a model trains:"),
      html(
        "pre",
        {},
        "from keras_initkit import LayerStatsCallback\n\n" +
          'model.fit(x, y, callbacks=[LayerStatsCallback("logs")])',
      ),
      html("p", {}, "Show that directory:"),
      html("pre", {}, "tensorboard --logdir logs"),
      html(
        "p",
        {},
        "Then press TensorBoard's reload button. The first record appears within seconds.",
      ),
    ];
  }
  const reasons = runs.filter(({ error }) => error);
  const again = html("button", { type: "button" }, "Try again");
  again.addEventListener("click", retry);
  return [
    html("h1", {}, "The statistics could not be loaded"),
    html("p", {}, sentence || "None of the runs can be read."),
    ...(sentence
      ? []
      : reasons.map(({ name, error }) => html("p", {}, `${name}: ${error}`))),
    again,
  ];
}
