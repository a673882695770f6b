/** Plays through the recorded steps. */

const DURATION = 6000; // milliseconds from the first step to the last

/**
 * @param {object} steps
 * @param {() => number} steps.count their number
 * @param {() => number} steps.position the index of the shown step
 * @param {(index: number) => void} steps.go shows another step
 * @param {(isPlaying: boolean) => void} onChange
 * @returns {{toggle: function(), stop: function()}}
 */
export function createPlayer({ count, position, go }, onChange) {
  let frame = null;

  function stop() {
    if (frame === null) return;
    cancelAnimationFrame(frame);
    frame = null;
    onChange(false);
  }

  function start() {
    const last = count() - 1;
    if (last < 1) return;
    const first = position() >= last ? 0 : position();
    const began = performance.now() - (first / last) * DURATION;
    const next = (now) => {
      const index = Math.min(last, Math.floor(((now - began) / DURATION) * last));
      frame = requestAnimationFrame(next);
      if (index !== position()) go(Math.max(first, index));
      if (index >= last) stop();
    };
    onChange(true);
    frame = requestAnimationFrame(next);
  }

  return { stop, toggle: () => (frame === null ? start() : stop()) };
}
