/** The controls for runs, statistics and steps. */

import { swatchOf } from "./colours.js";
import { html, setAttributes, setText } from "./dom.js";
import { inWords } from "./numbers.js";

const NARROW = window.matchMedia("(max-width: 760px)"); // as in style.css
const MANY_RUNS = 10; // with more, there is a field to filter them
const SCROLL = 60; // pixels of the previous tab that stay in sight
const VIEW_NAMES = {
  profile: "Depth profile",
  heatmap: "Heatmap",
  compare: "Two runs",
  weights_gradients: "Weights and gradients",
  overview: "All runs",
};

/** The tabs of the views: `choose({view})`, and `update(view)`. */
export function createTabs(choose) {
  const tabs = Object.entries(VIEW_NAMES).map(([view, name]) =>
    html(
      "button",
      {
        type: "button",
        role: "tab",
        id: `tab-${view}`,
        "data-view": view,
        "aria-controls": "stage",
      },
      name,
    ),
  );
  const element = html("div", { role: "tablist", "aria-label": "Views" }, ...tabs);
  element.addEventListener("click", ({ target }) => {
    const tab = target.closest("[data-view]");
    if (tab) choose({ view: tab.dataset.view });
  });
  element.addEventListener("keydown", ({ key, target }) => {
    const at = tabs.indexOf(target);
    const moves = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: -1 };
    const next = key in moves ? tabs.at(moves[key] % tabs.length) : null;
    if (!next) return;
    next.focus();
    choose({ view: next.dataset.view });
  });
  const update = (view) => {
    for (const tab of tabs) {
      const isChosen = tab.dataset.view === view;
      setAttributes(tab, {
        "aria-selected": String(isChosen),
        tabindex: isChosen ? "0" : "-1",
      });
      if (isChosen) element.scrollLeft = tab.offsetLeft - element.offsetLeft - SCROLL;
    }
  };
  return { element, update };
}

/**
 * A select with its label.
 * @param {string} id of the select
 * @param {string} name its label
 * @param {(value: string) => void} onChange
 * @returns {{element: HTMLElement, update: function}} `update` takes pairs of a value
 *   and its words, and the chosen value
 */
export function createSelect(id, name, onChange) {
  const select = html("select", { id });
  const element = html("label", { class: "field" }, html("span", {}, name), select);
  let known = "";
  select.addEventListener("change", () => onChange(select.value));
  const update = (options, value) => {
    const now = JSON.stringify(options);
    if (now !== known) {
      known = now;
      select.replaceChildren(
        ...options.map(([key, words]) =>
          html("option", { value: key, title: key }, words),
        ),
      );
    }
    select.value = value ?? "";
  };
  return { element, update };
}

/**
 * A search field with its label.
 * @param {string} id of the field
 * @param {string} name its label
 * @param {string} hint its text while it is empty
 * @param {(value: string) => void} onChange
 * @returns {{element: HTMLElement, update: function}} `update` takes the value
 */
export function createSearch(id, name, hint, onChange) {
  const input = html("input", { id, type: "search", placeholder: hint });
  const element = html("label", { class: "field" }, html("span", {}, name), input);
  input.addEventListener("input", () => onChange(input.value));
  const update = (value) => {
    if (input.value !== value && document.activeElement !== input) input.value = value;
  };
  return { element, update };
}

/** The options of a select over runs. */
export function runOptions(runs) {
  return runs.map(({ name, label }) => [name, label]);
}

/** The options of a select over statistics. */
export function statisticOptions(keys) {
  return keys.map((key) => [key, inWords(key)]);
}

/** The runs with their colors: `choose({runs})`, and `update(catalog, names)`. */
export function createRunPicker(choose) {
  const list = html("ul", { class: "runs" });
  const filter = html("input", {
    type: "search",
    placeholder: "Filter runs",
    "aria-label": "Filter runs",
  });
  const summary = html("summary");
  const fields = html("div", { role: "group", "aria-label": "Runs" }, filter, list);
  const element = html("details", { class: "run-picker" }, summary, fields);
  const fold = () => (element.open = !NARROW.matches);
  NARROW.addEventListener("change", fold);
  fold();
  let catalog = null;
  const boxes = () => [...list.querySelectorAll("input")];
  list.addEventListener("change", () => {
    choose({
      runs: boxes()
        .filter((box) => box.checked)
        .map((box) => box.dataset.run),
    });
  });
  const narrow = () => {
    const wanted = filter.value.toLowerCase();
    for (const row of list.children) {
      row.hidden = !row.dataset.name.toLowerCase().includes(wanted);
    }
  };
  filter.addEventListener("input", narrow);
  const update = (next, names) => {
    if (next !== catalog) {
      catalog = next;
      filter.hidden = catalog.all.length <= MANY_RUNS;
      if (filter.hidden) filter.value = "";
      list.replaceChildren(...catalog.all.map(runRow));
      narrow();
    }
    for (const box of boxes()) box.checked = names.includes(box.dataset.run);
    setText(summary, `Runs: ${names.length} of ${catalog.all.length}`);
  };
  return { element, update };
}

function runRow(run) {
  const { name, label, error } = run;
  const box = html("input", {
    type: "checkbox",
    "data-run": name,
    disabled: Boolean(error),
  });
  const words = html("span", { class: "name" }, label);
  const reason = error ? html("small", {}, error) : null;
  return html(
    "li",
    { title: name, "data-name": name },
    html("label", {}, box, swatchOf(run), words),
    reason,
  );
}

/**
 * The slider over the recorded steps, and the button that plays them.
 * @param {{onStep: function(number), onPlay: function()}} listeners `onStep` takes an
 *   index
 * @returns {{element: HTMLElement, update: function}} `update` takes the `steps`, the
 *   `index` of the shown one, and whether it `isPlaying`
 */
export function createStepBar({ onStep, onPlay }) {
  const play = html("button", { type: "button", id: "play" });
  const slider = html("input", {
    type: "range",
    id: "step",
    min: 0,
    step: 1,
    "aria-label": "Step",
  });
  const label = html("output", { id: "step-label", for: "step" });
  const element = html("div", { class: "step-bar" }, play, slider, label);
  slider.addEventListener("input", () => onStep(slider.valueAsNumber));
  play.addEventListener("click", onPlay);
  const update = (steps, index, isPlaying) => {
    const words = steps.length ? `step ${steps[index]}` : "no step";
    setAttributes(slider, {
      max: Math.max(0, steps.length - 1),
      "aria-valuetext": words,
      disabled: steps.length < 2,
    });
    slider.value = index;
    setText(label, words);
    setAttributes(play, {
      "aria-label": isPlaying ? "Pause" : "Play through the steps",
      class: isPlaying ? "playing" : null,
      disabled: steps.length < 2,
    });
  };
  return { element, update };
}
