/** The page's settings in the address, such as `#scene=plane&dataset=moons`. */

/**
 * @param {object[]} scenes as the server describes them
 * @param {object} pace the field
 * @returns {{scene: string, pace: (number|string), values: object}} numbers for fields
 *   with numbers; it leaves unknown values as they are, and the server judges them
 */
export function readLink(scenes, pace) {
  const { scene: name, pace: steps, ...entries } = Object.fromEntries(
    new URLSearchParams(location.hash.slice(1)),
  );
  const scene = scenes.find((one) => one.name === name) ?? scenes[0];
  const values = {};
  for (const [key, text] of Object.entries(entries)) {
    const field = scene.fields.find((one) => one.name === key);
    values[key] = field && !field.choices && text !== "" ? numberOf(text) : text;
  }
  return {
    scene: name ?? scene.name,
    pace: steps === undefined ? pace.default : numberOf(steps),
    values,
  };
}

/** Writes all settings into the address. */
export function writeLink({ scene, pace, values }) {
  const hash = `#${new URLSearchParams({ scene, ...values, pace })}`;
  if (hash !== location.hash) history.replaceState(null, "", hash);
}

function numberOf(text) {
  const number = Number(text);
  return Number.isNaN(number) ? text : number;
}
