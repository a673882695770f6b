/** The page of the tab: TensorBoard calls `render`. */

import {
  columnOf,
  fetchCatalog,
  fetchHistograms,
  fetchProfiles,
  forgetProfiles,
  recordAt,
  unionOfSteps,
} from "./data.js";
import { html, setText } from "./dom.js";
import { createDownloads, rowsOf } from "./downloads.js";
import { matching, picked } from "./layers.js";
import { createFindings } from "./findings.js";
import { createStepBar, createTabs } from "./controls.js";
import { createCompareView, createHeatmapView } from "./heatmap_views.js";
import { createProfileView, createWeightsGradientsView } from "./views.js";
import { createOverview } from "./overview.js";
import { createPanel, hasLines } from "./panel.js";
import { createPlayer } from "./player.js";
import { createTimeSeries } from "./time_series.js";
import { followLink, followReload, followTheme, readLink, writeLink } from "./host.js";
import {
  catalogOf,
  fromLink,
  histogramsOf,
  needs,
  openStatistic,
  runsOf,
  scaleOf,
  settled,
  sourceOf,
  statisticsOf,
  toLink,
} from "./state.js";
import { messageOf } from "./messages.js";
import { inShort, inWords } from "./numbers.js";
import { setTheme } from "./colours.js";

const LINK_DELAY = 300; // milliseconds: browsers allow few changes of the address

/** Fills the page. */
export function render() {
  document.documentElement.lang = "en";
  document.head.append(
    html("link", {
      rel: "stylesheet",
      href: new URL("./style.css", import.meta.url).href,
    }),
    html("meta", { name: "viewport", content: "width=device-width" }),
  );
  const app = createApp();
  document.body.append(app.element);
  followTheme(app.setDark);
  followReload(app.reload);
  followLink(app.follow);
  app.reload();
}

function createApp() {
  let wanted = fromLink(readLink());
  let shown = null;
  let catalog = null;
  let loaded = new Map(); // profiles and histograms, or the error, by request
  let steps = new Float64Array();
  let reloads = 0; // only the last one counts
  let loads = 0; // likewise
  let dark = false;
  let isPlaying = false;
  let linkTimer = null;

  const actions = { choose, open, read };
  const views = {
    profile: createProfileView(actions),
    heatmap: createHeatmapView(actions),
    compare: createCompareView(actions),
    weights_gradients: createWeightsGradientsView(actions),
    overview: createOverview(actions),
  };
  const findings = createFindings(choose);
  const tabs = createTabs(choose);
  const controls = createPanel(choose);
  const stepBar = createStepBar({
    onStep: (index) => {
      player.stop();
      go(index);
    },
    onPlay: () => player.toggle(),
  });
  const player = createPlayer({ count: () => steps.length, position, go }, (now) => {
    isPlaying = now;
    draw();
  });
  const timeSeries = createTimeSeries({ onClose: () => choose({ layer: null }) });
  const notice = html("p", { class: "notice", role: "status", hidden: true });
  const readout = html("p", { id: "readout" });
  const panel = html("div");
  const message = html("div", { class: "message", role: "status" });
  const stage = html(
    "div",
    { id: "stage", role: "tabpanel" },
    notice,
    stepBar.element,
    panel,
    readout,
    timeSeries.element,
  );
  const downloads = createDownloads({ rows, name: fileName, stage });
  stage.append(downloads.element);
  const content = html(
    "div",
    { class: "content" },
    controls.element,
    html("div", {}, stage, message),
  );
  const element = html(
    "main",
    { "data-state": "loading" },
    findings.element,
    tabs.element,
    content,
  );
  setState("loading");

  /** Asks the server for everything again. */
  async function reload() {
    const mine = ++reloads;
    if (element.dataset.state !== "ready") setState("loading");
    try {
      const listed = await fetchCatalog();
      if (mine !== reloads) return;
      forgetProfiles();
      catalog = catalogOf(listed);
      if (catalog.readable.length > 0) {
        await load();
        return;
      }
      player.stop();
      shown = null;
      setState(catalog.all.length > 0 ? "failed" : "empty");
    } catch (error) {
      if (mine === reloads) setState("failed", error.message);
    }
  }

  /** Loads missing data, and shows the wanted view. */
  async function load() {
    const mine = ++loads;
    const next = settled(wanted, catalog);
    element.setAttribute("aria-busy", "true");
    const pairs = needs(next, catalog);
    const triples = histogramsOf(next, catalog);
    const asked = [...pairs, ...triples];
    const found = await Promise.allSettled([
      ...pairs.map((pair) => fetchProfiles(...pair)),
      ...triples.map((triple) => fetchHistograms(...triple)),
    ]);
    if (mine !== loads) return;
    element.removeAttribute("aria-busy");
    shown = next;
    loaded = new Map(asked.map((names, i) => [names.join("\n"), found[i]]));
    const failures = asked.flatMap(([run, key], i) =>
      found[i].reason ? [`${run}, ${inWords(key)}: ${found[i].reason.message}`] : [],
    );
    const isLost = pairs.length > 0 && failures.length === asked.length;
    setState(isLost ? "failed" : "ready", failures[0]);
    drawControls();
    if (isLost) return;
    notice.hidden = failures.length === 0;
    setText(notice, failures.join(" "));
    const profiles = found.slice(0, pairs.length);
    steps = unionOfSteps(profiles.flatMap(({ value }) => (value ? [value] : [])));
    draw();
  }

  function drawControls() {
    findings.update(shown, catalog);
    tabs.update(shown.view);
    controls.update(shown, catalog);
    controls.element.hidden = shown.view === "overview"; // it has all runs
    content.classList.toggle("alone", controls.element.hidden);
    // A heatmap has its own readout.
    stepBar.element.hidden = readout.hidden = !hasLines(shown.view);
    downloads.element.hidden = shown.view === "overview";
    stage.setAttribute("aria-labelledby", `tab-${shown.view}`);
  }

  function draw() {
    const { view } = shown;
    if (panel.firstChild !== views[view].element) {
      panel.replaceChildren(views[view].element);
    }
    stepBar.update(steps, position(), isPlaying);
    views[view].update({
      shown,
      catalog,
      series,
      step: steps[position()] ?? 0,
      dark,
    });
    drawTimeSeries();
    clearTimeout(linkTimer);
    linkTimer = setTimeout(() => writeLink(toLink(shown, catalog)), LINK_DELAY);
  }

  /** The shown numbers: of one step if there are lines, otherwise of all steps. */
  function rows() {
    const step = hasLines(shown.view) ? steps[position()] : null;
    const keys = statisticsOf(shown);
    return rowsOf(Object.fromEntries(keys.map((key) => [key, series(key)])), step);
  }

  function fileName() {
    const at = hasLines(shown.view) ? [`step_${steps[position()]}`] : [];
    return [...statisticsOf(shown), ...at].join("_");
  }

  function drawTimeSeries() {
    const { layer } = shown;
    const statistic = openStatistic(shown);
    const source = sourceOf(statistic);
    const all = series(statistic);
    const found = all
      .map((one) => ({ ...one, column: columnOf(layer, one, all) }))
      .filter(({ column }) => column >= 0)
      .map((one) => {
        const names = [one.run, source, one.ownNames[one.column]];
        return { ...one, histograms: loaded.get(names.join("\n"))?.value };
      });
    if (found.length === 0) {
      timeSeries.element.hidden = true;
      return;
    }
    timeSeries.update({
      layer,
      series: found,
      scale: scaleOf(statistic, shown, catalog),
      statistic: inWords(statistic),
      source,
      step: steps[position()],
    });
  }

  /** The shown and loaded series of a statistic. */
  function series(statistic) {
    const names = runsOf(shown);
    return catalog.readable.flatMap((one) => {
      const { name, label, style, layers, ownNames, faults, loss, learning_rate } = one;
      const profiles = loaded.get(`${name}\n${statistic}`)?.value;
      const kept = matching(shown.layers, layers);
      if (!names.includes(name) || !profiles?.steps.length || !kept.length) return [];
      const own = { run: name, label, style, layers, ownNames, faults, profiles };
      return [picked({ ...own, loss, learning_rate }, kept)];
    });
  }

  function choose(change) {
    player.stop();
    wanted = { ...wanted, ...change };
    if (change.view) read(null);
    return load();
  }

  /** Shows a layer over the steps, and scrolls to it. */
  function open(change) {
    const isOpening = timeSeries.element.hidden;
    const loading = choose(change);
    if (isOpening) loading.then(timeSeries.reveal);
  }

  function read(point) {
    if (!point) {
      readout.replaceChildren();
      for (const name of ["layer", "step", "value"]) delete readout.dataset[name];
      return;
    }
    const { label, layer, name, step, value, words } = point;
    Object.assign(readout.dataset, { layer, step, value });
    setText(readout, `${label}, ${name}, step ${step}: ${words ?? inShort(value)}`);
  }

  /** The index of the shown step; the last one if none was chosen. */
  function position() {
    if (shown.step === null || steps.length === 0) return Math.max(0, steps.length - 1);
    return Math.max(0, recordAt({ steps }, shown.step));
  }

  function go(index) {
    const step = index >= steps.length - 1 ? null : steps[index];
    wanted = { ...wanted, step };
    shown = { ...shown, step };
    draw();
  }

  function setState(state, sentence = "") {
    element.dataset.state = state;
    const hasControls = shown !== null && (state === "ready" || state === "failed");
    for (const one of [findings, tabs, controls]) one.element.hidden = !hasControls;
    content.classList.toggle("alone", !hasControls);
    stage.hidden = state !== "ready";
    message.hidden = state === "ready";
    message.replaceChildren(...messageOf(state, sentence, catalog?.all ?? [], reload));
  }

  function setDark(now) {
    dark = now;
    setTheme(dark);
    if (element.dataset.state === "ready") draw();
  }

  function follow() {
    const link = readLink(); // empty if TensorBoard shows another tab
    if (!shown || Object.keys(link).length === 0) return;
    wanted = fromLink(link);
    load();
  }

  return { element, reload, setDark, follow };
}
