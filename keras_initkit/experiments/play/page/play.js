/** The page: it sends choices to the server, and draws the training there. */

import { setTheme } from "/charts/colours.js";
import { html, setAttributes, setText } from "/charts/dom.js";
import { followTheme } from "/charts/host.js";
import { createForm, createSlider } from "./form.js";
import { readLink, writeLink } from "./link.js";
import { createPanel as createDepth } from "./depth.js";
import { createPanel as createDigits } from "./digits.js";
import { createPanel as createPlane } from "./plane.js";
import { ask, events, Refusal } from "./requests.js";
import { createTrial } from "./trial.js";

const PANELS = { plane: createPlane, depth: createDepth, digits: createDigits };

const PREPARING = "Keras prepares the training step …";
const PATIENCE = 400; // milliseconds until a message explains the wait

const main = document.querySelector("main");
let dark = false;

start();

async function start() {
  try {
    const { scenes, pace } = await ask("/scenes");
    const page = createPage(scenes, pace);
    main.replaceChildren(...page.elements);
    followTheme((isDark) => {
      dark = isDark;
      setTheme(dark);
      page.redraw();
    });
    await page.live();
  } catch (error) {
    say(error.message);
  }
}

function createPage(scenes, paceField) {
  let token = null;
  let chosen = null; // the scene, the pace and the values, as in the address
  let frame = null; // the newest
  let still = { key: null, content: null };
  let panels = { key: null, trials: [] };
  let isPlaying = false;
  let isDrawing = false;
  let patience = null; // the timer for a long first step

  const tabs = html("div", { role: "tablist", "aria-label": "Scenes" });
  const tabOf = new Map();
  for (const { name, title } of scenes) {
    const tab = html("button", { type: "button", role: "tab", "data-scene": name }, title);
    tab.addEventListener("click", () => choose({ scene: name, values: {} }));
    tabOf.set(name, tab);
    tabs.append(tab);
  }
  tabs.addEventListener("keydown", ({ key }) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[key];
    const all = [...tabOf.values()];
    all[all.indexOf(document.activeElement) + move]?.focus();
  });
  const forms = new Map(
    scenes.map(({ name, fields }) => [
      name,
      createForm(fields, (values) => choose({ values })),
    ]),
  );
  const aside = html("aside", {}, ...[...forms.values()].map(({ element }) => element));

  const play = html("button", { type: "button", id: "play" });
  const button = (name, label, act) => {
    const made = html("button", { type: "button", "data-do": name }, label);
    made.addEventListener("click", act);
    return made;
  };
  const step = button("step", "Step", () => order("step"));
  const reset = button("reset", "Reset", async () => {
    await order("pause");
    choose({});
  });
  const counter = html("output", { id: "steps" }, "step 0");
  const pace = createSlider(paceField, () => {
    chosen.pace = pace.get();
    writeLink(chosen);
    if (isPlaying) order("play");
  });
  play.addEventListener("click", () => order(isPlaying ? "pause" : "play"));
  const bar = html(
    "div",
    { class: "bar", role: "group", "aria-label": "Training" },
    ...[play, step, reset, counter, pace.element],
  );
  const notice = html("p", { class: "notice", role: "status", hidden: true });
  const trials = html("div", { class: "trials" });
  const stage = html("section", { id: "stage" }, bar, notice, trials);
  const content = html("div", { class: "content" }, aside, stage);
  const title = html("h1", {}, "Play with initialization");

  window.addEventListener("hashchange", () => choose(readLink(scenes, paceField)));
  document.addEventListener("keydown", (event) => {
    if (event.key !== " " || event.target.closest("button, input, select, pre")) return;
    event.preventDefault();
    play.click();
  });

  /** Listens to the server for as long as the page is open. */
  async function live() {
    show(readLink(scenes, paceField));
    let error = await listen();
    if (error instanceof Refusal && token === null) {
      // The link asks for something that is not allowed.
      say(error.message);
      show({ scene: scenes[0].name, pace: paceField.default, values: {} });
      error = await listen();
    }
    token = null;
    say(`The training has stopped: ${error.message}. Reload the page to continue.`);
    main.dataset.state = "gone";
  }

  /** Receives frames until that fails; returns the reason. */
  async function listen() {
    try {
      for await (const event of events(chosen)) {
        if (event.token) token = event.token;
        else receive(event);
        main.dataset.state = "live";
      }
      return new Error("the server ended it");
    } catch (error) {
      return error;
    }
  }

  /** Shows and trains another choice. Values that are not given stay as they are. */
  function choose(wanted) {
    show({ ...chosen, ...wanted });
    send();
  }

  function show(wanted) {
    const name = forms.has(wanted.scene) ? wanted.scene : scenes[0].name;
    const form = forms.get(name);
    form.set(wanted.values);
    pace.set(wanted.pace);
    chosen = { ...wanted, values: { ...form.get(), ...wanted.values } };
    writeLink(chosen);
    for (const [other, { element }] of forms) element.hidden = other !== name;
    for (const [other, tab] of tabOf) {
      const isShown = other === name;
      setAttributes(tab, {
        "aria-selected": String(isShown),
        tabindex: isShown ? "0" : "-1",
      });
    }
  }

  let isSending = false;
  let mustSend = false;

  /** Sends the newest choice once the server has answered the one before. */
  async function send() {
    mustSend = true;
    if (isSending) return;
    isSending = true;
    while (mustSend) {
      mustSend = false;
      await order("choose", chosen);
    }
    isSending = false;
  }

  async function order(name, more = {}) {
    if (token === null) return;
    try {
      const paceOf = name === "play" ? { pace: chosen.pace } : {};
      say("");
      await ask("/order", { token, order: name, ...paceOf, ...more });
    } catch (error) {
      say(error.message);
    }
  }

  /** The program that trains the shown network; null if the server refuses. */
  async function codeOf(isSecond) {
    try {
      const wanted = { ...chosen, step: frame.step, is_second: isSecond };
      return (await ask("/code", wanted)).code;
    } catch (error) {
      say(error.message);
      return null;
    }
  }

  function receive(next) {
    clearTimeout(patience);
    if (next.preparing) patience = setTimeout(() => say(PREPARING), PATIENCE);
    else if (notice.textContent === PREPARING) say("");
    isPlaying = next.playing;
    setAttributes(play, {
      "aria-label": isPlaying ? "Pause" : "Play",
      class: isPlaying ? "playing" : null,
    });
    if (next.error) {
      say(next.error);
      return;
    }
    frame = next;
    redraw();
  }

  /** Draws the newest frame when the browser is ready for it. */
  function redraw() {
    if (isDrawing || frame === null) return;
    isDrawing = true;
    requestAnimationFrame(async () => {
      isDrawing = false;
      const { scene, values, runs } = frame;
      const key = `${scene} ${values.dataset}`;
      if (still.key !== key) {
        still = { key, content: await ask("/still", { scene, values }) };
        redraw();
        return;
      }
      const kind = `${scene} ${runs.length}`;
      if (panels.key !== kind) {
        const titles = runs.length > 1 ? ["First start", "Second start"] : ["What you see"];
        panels = {
          key: kind,
          trials: titles.map((one, i) =>
            createTrial(one, PANELS[scene](), () => codeOf(i > 0)),
          ),
        };
        trials.replaceChildren(...panels.trials.map(({ element }) => element));
        trials.classList.toggle("two", runs.length > 1);
      }
      for (const [i, run] of runs.entries()) {
        panels.trials[i].update(run, still.content, dark);
      }
      setText(counter, `step ${frame.step}`);
      main.dataset.step = frame.step;
      main.dataset.scene = scene;
    });
  }

  return { elements: [title, tabs, content], live, redraw };
}

function say(sentence) {
  let notice = document.querySelector(".notice");
  if (!notice) {
    notice = html("p", { class: "notice", role: "status" });
    main.append(notice);
  }
  setText(notice, sentence);
  notice.hidden = sentence === "";
}
