/** When a chart is to be laid out anew, and not only moved. */

/**
 * Whether one of the things that a layout depends on has changed.
 * @param {{key: Array}?} drawn the layout that is there; its `key` has those things
 * @param {Array} key those that it would have now
 */
export function isStale(drawn, key) {
  if (!drawn || key.length !== drawn.key.length) return true;
  return key.some((part, i) => part !== drawn.key[i]);
}
