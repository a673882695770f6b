/** TensorBoard around the page: its reload button, its address and its theme. */

const PREFIX = "p.initkit."; // TensorBoard keeps such keys for the plugin of this name

/** Calls `onReload` whenever TensorBoard has loaded new data. */
export function followReload(onReload) {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = ({ data }) => {
    const { type, id, isReply } = JSON.parse(data);
    if (isReply) return;
    if (type === "experimental.DataReloaded") onReload();
    port1.postMessage(
      JSON.stringify({ type, id, payload: null, error: null, isReply: true }),
    );
  };
  window.parent.postMessage("experimental.bootstrap", "*", [port2]);
}

/** Calls `onChange(dark)` now, and whenever TensorBoard's theme changes. */
export function followTheme(onChange) {
  const body = bodyOfTensorBoard();
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (body ? body.classList.contains("dark-mode") : system.matches);
  const tell = () => onChange(isDark());
  if (body) new MutationObserver(tell).observe(body, { attributeFilter: ["class"] });
  else system.addEventListener("change", tell);
  tell();
}

/**
 * The page's settings in the address, such as `#initkit&p.initkit.view=heatmap`.
 * @returns {Object<string, string>}
 */
export function readLink() {
  const found = {};
  for (const [key, value] of parts(addressed().location.hash)) {
    if (key.startsWith(PREFIX)) found[key.slice(PREFIX.length)] = value;
  }
  return found;
}

/** Writes the settings into the address, and keeps what is not ours. */
export function writeLink(entries) {
  const { location, history } = addressed();
  const foreign = location.hash
    .slice(1)
    .split("&")
    .filter((part) => part && !decoded(part).startsWith(PREFIX));
  // Without the name of a tab, TensorBoard would open its first.
  if (window.parent !== window && !foreign.some((part) => !part.includes("="))) {
    foreign.unshift("initkit");
  }
  const ours = Object.entries(entries).map(
    ([key, value]) => `${PREFIX}${encodeURIComponent(key)}=${encoded(value)}`,
  );
  const hash = `#${[...foreign, ...ours].join("&")}`;
  if (hash === "#" || hash === location.hash) return;
  history.replaceState(history.state, "", location.href.replace(/#.*|$/, hash));
}

/** Calls `onChange` when the address changes by hand or by "back". */
export function followLink(onChange) {
  addressed().addEventListener("hashchange", onChange);
}

function parts(hash) {
  return hash
    .slice(1)
    .split("&")
    .map((part) => part.split("=").map(decoded))
    .filter((pair) => pair.length === 2);
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function encoded(value) {
  return encodeURIComponent(value).replaceAll("%2F", "/").replaceAll("%2C", ",");
}

/** The window whose address the reader sees, or ours if the browser forbids that. */
function addressed() {
  try {
    void window.parent.location.hash;
    return window.parent;
  } catch {
    return window;
  }
}

function bodyOfTensorBoard() {
  try {
    return window.parent === window ? null : window.parent.document.body;
  } catch {
    return null;
  }
}
