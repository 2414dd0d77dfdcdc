// What the page itself sends, and what it says if there is no answer.

import { doubt } from "/shared/page/connection.js";
import { MAX_CONNECTIONS, countOpenRequests } from "/shared/wire/connections.js";

/** After this time the page says that there is no answer yet, in milliseconds. */
const SLOW = 2000;
/** After this time the page gives up, in milliseconds. */
const LIMIT = 10_000;

export const UNREACHABLE = "The server cannot be reached. Is it running?";
const GIVEN_UP = `No answer for ${LIMIT / 1000} s, so the page has given up. If the server did get this, the list will show it.`;

/**
 * Waits for an answer, and says so if it takes long.
 * @param {Promise<string>} answer resolves to an error's sentence, or to "" if all went well
 * @param {(sentence: string) => void} say
 * @param {() => void} [giveUp] called when the time is over
 * @returns {Promise<string>} the same, or a sentence if there is no answer in time
 */
export async function withPatience(answer, say, giveUp) {
  let isWaiting = true;
  const slow = setTimeout(async () => {
    const sentence = await explainSlowness();
    if (isWaiting) say(sentence);
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
  if (others < MAX_CONNECTIONS) return "The server has not answered yet. Perhaps it hangs.";
  return `This request waits in the browser, which gives one server ${MAX_CONNECTIONS} connections for all tabs. `
    + `Your tabs keep ${MAX_CONNECTIONS} open: close one, or stop watching there.`;
}

/**
 * Sends a request.
 * @param {string} method
 * @param {string} path
 * @param {object | null} body sent as JSON
 * @param {(sentence: string) => void} say shows why there is no answer yet
 * @returns {Promise<string>} the server's sentence if it refuses, or "" if all went well
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
    return response.ok ? "" : (await response.json()).error;
  } catch {
    if (!signal.aborted) doubt();
    return UNREACHABLE;
  }
}
