// What the page itself sends, and what it says if there is no answer.

import { doubt } from "/shared/page/connection.js";
import { NOTHING, ownMessage, serverMessage } from "/shared/page/dom.js";
import { sentence } from "/shared/sentences.js";
import { MAX_CONNECTIONS, countOpenRequests } from "/shared/wire/connections.js";

/** @typedef {import("/shared/page/dom.js").Message} Message */

/** After this time the page says that there is no answer yet, in milliseconds. */
const SLOW = 2000;
/** After this time the page gives up, in milliseconds. */
const LIMIT = 10_000;

export const UNREACHABLE = ownMessage(sentence("request.unreachable"));
const GIVEN_UP = ownMessage(sentence("request.given-up", { seconds: LIMIT / 1000 }));

/**
 * Waits for an answer, and says so if it takes long.
 * @param {Promise<Message>} answer resolves to an error, or to `NOTHING` if all went well
 * @param {(message: Message) => void} say
 * @param {() => void} [giveUp] called when the time is over
 * @returns {Promise<Message>} the same, or a sentence if there is no answer in time
 */
export async function withPatience(answer, say, giveUp) {
  let isWaiting = true;
  const slow = setTimeout(async () => {
    const reason = await explainSlowness();
    if (isWaiting) say(ownMessage(reason));
  }, SLOW);
  let limit;
  const givenUp = new Promise((resolve) => {
    limit = setTimeout(() => {
      giveUp?.();
      resolve(GIVEN_UP);
    }, LIMIT);
  });
  try {
    return await Promise.race([answer, givenUp]);
  } finally {
    isWaiting = false;
    clearTimeout(slow);
    clearTimeout(limit);
  }
}

/** Resolves to a sentence on why a request is not answered. */
async function explainSlowness() {
  const others = (await countOpenRequests()) - 1;
  if (others < MAX_CONNECTIONS) return sentence("request.slow");
  return sentence("request.waits-in-browser", { connections: MAX_CONNECTIONS });
}

/**
 * Sends a request.
 * @param {string} method
 * @param {string} path
 * @param {object | null} body sent as JSON
 * @param {(message: Message) => void} say shows why there is no answer yet
 * @returns {Promise<Message>} the server's sentence if it refuses, or `NOTHING` if all went well
 */
export function send(method, path, body, say) {
  const stopped = new AbortController();
  return withPatience(request(method, path, body, stopped.signal), say, () => stopped.abort());
}

async function request(method, path, body, signal) {
  const options = body
    ? { method, signal, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }
    : { method, signal };
  try {
    const response = await fetch(path, options);
    return response.ok ? NOTHING : serverMessage((await response.json()).error);
  } catch {
    if (!signal.aborted) doubt();
    return UNREACHABLE;
  }
}
