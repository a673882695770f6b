/** Makes elements without HTML, so names of runs and layers stay text. */

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element with attributes (null and false: none) and children. */
export function html(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** An SVG element, likewise. */
export function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

/** Sets attributes; null and false remove one. */
export function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) {
      element.removeAttribute(name);
    } else {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
}

/** Changes a text only if it differs, so screen readers do not read it twice. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * The width of an element, in pixels, for as long as it lives.
 * @param {Element} element
 * @param {() => void} onChange called when the width changes
 * @returns {() => number} the width
 */
export function watchedWidth(element, onChange) {
  let width = 0;
  new ResizeObserver(([entry]) => {
    const found = Math.round(entry.contentRect.width);
    if (found === 0 || found === width) return; // 0: another tab is open
    width = found;
    onChange();
  }).observe(element);
  return () => {
    if (width === 0) width = Math.round(element.getBoundingClientRect().width);
    return width;
  };
}

function filled(element, attributes, children) {
  setAttributes(element, attributes);
  element.append(...children.filter((child) => child !== null));
  return element;
}
