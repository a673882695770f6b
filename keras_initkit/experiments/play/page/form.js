/** The form of a scene: a control for each of its fields. */

import { html, setText } from "/charts/dom.js";
import { inShort } from "/charts/numbers.js";

const FINENESS = 400; // positions of a slider between its ends
const SECOND = "_b"; // ends the names of the fields of the second start

/**
 * @param {object[]} fields as the server describes them
 * @param {(values: object) => void} onChange of the values of all fields
 * @returns {{element: HTMLElement, set: (values: object) => void, get: () => object}}
 */
export function createForm(fields, onChange) {
  const controls = fields.map((field) => [
    field,
    (field.choices ? createChoice : createSlider)(field, changed),
  ]);
  const element = html(
    "form",
    { class: "controls", "aria-label": "Settings" },
    ...controls.map(([, control]) => control.element),
  );
  element.addEventListener("submit", (event) => event.preventDefault());

  function get() {
    return Object.fromEntries(controls.map(([{ name }, { get }]) => [name, get()]));
  }

  function set(values) {
    for (const [field, control] of controls) {
      control.set(values[field.name] ?? field.default);
    }
    showSecond();
  }

  function changed() {
    showSecond();
    onChange(get());
  }

  function showSecond() {
    const isOne = get().starts === "one";
    for (const [{ name }, control] of controls) {
      if (name.endsWith(SECOND)) control.element.hidden = isOne;
    }
  }

  set({});
  return { element, set, get };
}

function createChoice({ name, label, choices }, onChange) {
  const select = html(
    "select",
    { name },
    ...choices.map((value) => html("option", { value }, value.replaceAll("_", " "))),
  );
  select.addEventListener("change", onChange);
  return {
    element: html("label", { class: "field" }, html("span", {}, label), select),
    get: () => select.value,
    set: (value) => (select.value = value),
  };
}

/**
 * A slider for a number, with the number beside its label.
 * @param {object} field as the server describes it
 * @param {() => void} onChange
 */
export function createSlider(field, onChange) {
  const { name, label, low, high, is_integer: isInteger, is_logarithmic: isLog } = field;
  const steps = isInteger && !isLog;
  const slider = html("input", {
    ...{ type: "range", name, min: steps ? low : 0, max: steps ? high : FINENESS },
    ...{ step: 1, "aria-label": label },
  });
  const shown = html("output");
  let number = field.default; // exact, even if a link has a value between positions

  const place = (value) => {
    if (steps) return value;
    const share = isLog
      ? Math.log(value / low) / Math.log(high / low)
      : (value - low) / (high - low);
    return Math.round(share * FINENESS);
  };
  const value = (at) => {
    if (steps) return at;
    const share = at / FINENESS;
    const exact = isLog ? low * (high / low) ** share : low + (high - low) * share;
    return isInteger ? Math.round(exact) : Number(exact.toPrecision(3));
  };
  const show = () => {
    setText(shown, inShort(number));
    slider.setAttribute("aria-valuetext", inShort(number));
  };
  const set = (wanted) => {
    number = wanted;
    slider.value = place(Number(wanted));
    show();
  };
  slider.addEventListener("input", () => {
    number = value(slider.valueAsNumber);
    show();
    onChange();
  });
  set(field.default);
  const words = html("span", {}, `${label} `, shown);
  return {
    element: html("div", { class: "field" }, words, slider),
    get: () => number,
    set,
  };
}
