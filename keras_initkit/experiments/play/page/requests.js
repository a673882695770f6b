/** The page's requests to the server. */

/** A refusal of the server, with the reason in a sentence. */
export class Refusal extends Error {}

/**
 * Sends a request and returns the answer.
 * @param {string} path
 * @param {object?} content the content to post, if any
 * @returns {Promise<object?>} the content of the answer's JSON
 * @throws {Refusal}
 */
export async function ask(path, content = null) {
  const answer = await respond(path, content);
  return answer.status === 204 ? null : answer.json();
}

/**
 * The events of a session, which lasts as long as the page listens.
 * @param {object} content the content to post
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
