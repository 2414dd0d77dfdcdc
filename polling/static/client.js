// Polling: the browser asks every second whether something has changed.

/** How long to wait after a response before the next request, in milliseconds. A person notices that
 *  an update is a second late, but is not disturbed by it yet. */
const INTERVAL = 1000;

/**
 * Shows the users, now and whenever they have changed.
 * @param {(snapshot: Snapshot) => void} show
 * @param {Status} status
 * @returns {() => void} stops watching
 */
export function watchUsers(show, status) {
  let etag = null;
  return poll(status, async (get) => {
    const { response, body } = await get("/users", etag);
    if (response.status === 304) return; // Nothing has changed since the response with this tag.
    show(JSON.parse(body));
    etag = response.headers.get("ETag");
  });
}

/**
 * Shows the server's time, now and every second.
 * @param {(time: string) => void} show
 * @param {Status} status
 * @returns {() => void} stops watching
 */
export function watchClock(show, status) {
  return poll(status, async (get) => {
    const { body } = await get("/clock");
    show(JSON.parse(body).time);
  });
}

/** Asks again and again. The pause begins after the response, so polls never overlap. With `setInterval`,
 *  a slow server would get more and more of them. */
function poll(status, ask) {
  const stopped = new AbortController();
  async function loop() {
    while (!stopped.signal.aborted) {
      await attempt(ask, status, stopped.signal);
      await new Promise((resume) => setTimeout(resume, INTERVAL));
    }
  }
  loop();
  return () => stopped.abort();
}

// What makes it robust: each request has a time limit, and the page can show how the last one went.

/** How long to wait for a response before giving up, in milliseconds. The server writes the time between two
 *  heartbeats, in seconds, into the page. */
const TIMEOUT = Math.min(10, 2 * Number(document.body.dataset.heartbeat)) * 1000;

/** @typedef {{version: number, users: {id: number, username: string}[]}} Snapshot */

/** Receives the state of the connection: "open" again at each sign of life from the server. The facts are for
 *  the page, which has a sentence for them. All times are in milliseconds.
 *  @typedef {(state: "connecting" | "open" | "closed", facts?: Facts) => void} Status
 *  @typedef {object} Facts
 *  @property {number} [interval] the time between two requests
 *  @property {number} [silence] for how long there was no answer
 *  @property {boolean} [isUnreachable] whether the browser has found no server
 *  @property {number} [httpStatus] the status of an answer that is no news
 *  @property {number} [retryIn] the time until the next attempt */

/** The server has not answered, or has refused: the facts are the `cause`. Any other error is a mistake in this
 *  file. */
class NoAnswer extends Error {}

/** Asks once, and reports how that went. */
async function attempt(ask, status, stopped) {
  const signal = AbortSignal.any([stopped, AbortSignal.timeout(TIMEOUT)]);
  try {
    await ask((path, etag) => get(path, etag, signal));
    status("open", { interval: INTERVAL });
  } catch (error) {
    if (stopped.aborted) return;
    status("closed", { ...error.cause, retryIn: INTERVAL });
    if (!(error instanceof NoAnswer)) reportError(error); // The page shows mistakes, too.
  }
}

/** Requests `path`. If the server still has the version with this tag, it answers 304 and sends nothing else. */
async function get(path, etag, signal) {
  const headers = etag ? { "If-None-Match": etag } : {};
  // Without "no-store" the browser's cache would add an ETag of its own and turn the 304 into a 200
  // with the stored list. The page would show the same list again and again.
  const options = { headers, cache: "no-store", signal };
  // The body comes after the headers, and can be late or end too early, too.
  const withBody = async (response) => ({ response, body: await response.text() });
  const { response, body } = await fetch(path, options).then(withBody).catch(() => {
    throw new NoAnswer("no answer", { cause: signal.aborted ? { silence: TIMEOUT } : { isUnreachable: true } });
  });
  if (!response.ok && response.status !== 304) throw new NoAnswer("refused", { cause: { httpStatus: response.status } });
  return { response, body };
}
