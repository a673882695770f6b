/** What the page asks the server for. */

/** What the server refuses; its sentence says why. */
export class Refusal extends Error {}

/**
 * Asks, and gives the answer.
 * @param {string} path
 * @param {object?} content is posted, if there is any
 * @returns {Promise<object?>} of what the answer's JSON holds
 * @throws {Refusal}
 */
export async function ask(path, content = null) {
  const answer = await respond(path, content);
  return answer.status === 204 ? null : answer.json();
}

/**
 * The events of a session, which goes on for as long as they are listened to.
 * @param {object} content is posted
 * @returns {AsyncGenerator<object>}
 * @throws {Refusal}
 * @throws {TypeError} when the server is gone
 */
export async function* events(content) {
  const answer = await respond("/session", content);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      if (part.startsWith("data: ")) yield JSON.parse(part.slice("data: ".length));
    }
  }
}

async function respond(path, content) {
  const post = {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(content),
  };
  const answer = await fetch(path, content === null ? {} : post);
  if (!answer.ok) throw new Refusal(await answer.text());
  return answer;
}
