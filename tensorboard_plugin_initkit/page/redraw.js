/** Tells when a chart needs a new layout. */

/**
 * Tells whether something that a layout depends on has changed.
 * @param {{key: Array}?} drawn the current layout; its `key` lists its dependencies
 * @param {Array} key the dependencies of a new layout
 */
export function isStale(drawn, key) {
  if (!drawn || key.length !== drawn.key.length) return true;
  return key.some((part, i) => part !== drawn.key[i]);
}
