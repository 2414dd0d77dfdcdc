// Long polling: the browser asks once, and the server holds the request until something has changed.

/**
 * Shows the users, now and whenever they have changed.
 * @param {(snapshot: Snapshot) => void} show
 * @param {Status} status
 * @returns {() => void} stops watching
 */
export function watchUsers(show, status) {
  let known = "";
  return poll(status, async (get, wait) => {
    const snapshot = await get(`/users?wait=${wait}${known}`);
    if (snapshot === null) return; // 204: nothing has changed while the server waited.
    show(snapshot);
    known = `&version=${snapshot.version}`;
  });
}

/**
 * Shows the server's time, now and every second.
 * @param {(time: string) => void} show
 * @param {Status} status
 * @returns {() => void} stops watching
 */
export function watchClock(show, status) {
  let shown = "";
  return poll(status, async (get) => {
    const clock = await get(`/clock?after=${encodeURIComponent(shown)}`);
    if (clock === null) return;
    shown = clock.time;
    show(shown);
  });
}

/** Asks again right after each response. The next request waits at the server, not here. */
function poll(status, ask) {
  const stopped = new AbortController();
  async function loop() {
    let errors = 0;
    while (!stopped.signal.aborted) errors = await attempt(ask, status, stopped.signal, errors);
  }
  loop();
  return () => stopped.abort();
}

// What makes it robust: a time limit for each request, and a pause after an error that doubles each time.

/** The time between two heartbeats, in seconds. The server writes it into the page. */
const HEARTBEAT = Number(document.body.dataset.heartbeat);
/** How many seconds the server may hold a request: 25, or less if the heartbeat is short. Some proxies give
 *  up after 30. */
const WAIT = Math.max(1, Math.min(25, Math.floor((HEARTBEAT * 5) / 3)));
/** How long to wait for a response before giving up, in milliseconds. */
const TIMEOUT = Math.max(2.5 * HEARTBEAT, WAIT + 1) * 1000;
/** The longest pause after an error, in milliseconds. */
const MAX_BACK_OFF = 30_000;

/** @typedef {{version: number, users: {id: number, username: string}[]}} Snapshot */

/** Receives the state of the connection: "open" again at each sign of life from the server. The facts are for
 *  the page, which has a sentence for them. All times are in milliseconds.
 *  @typedef {(state: "connecting" | "open" | "closed", facts?: Facts) => void} Status
 *  @typedef {object} Facts
 *  @property {number} [silence] for how long there was no answer
 *  @property {boolean} [isUnreachable] whether the browser has found no server
 *  @property {number} [httpStatus] the status of an answer that is no news
 *  @property {boolean} [isEarly] whether the server has ended a request that it should still hold
 *  @property {number} [retryIn] the time until the next attempt */

/** The server has not answered, or has refused: the facts are the `cause`. Any other error is a mistake in this
 *  file. */
class NoAnswer extends Error {}

/** Asks once, reports how that went, and returns how many errors there were in a row. */
async function attempt(ask, status, stopped, errors) {
  // After an error the server should respond at once: any response shows that it is back.
  const wait = errors > 0 ? 0 : WAIT;
  const limit = AbortSignal.timeout(TIMEOUT);
  try {
    await ask((path) => get(path, wait, AbortSignal.any([stopped, limit])), wait);
    status("open");
    return 0;
  } catch (error) {
    if (stopped.aborted) return errors;
    // 1 s, 2 s, 4 s … 30 s, minus a random part of up to half: after a restart of the server not all browsers
    // return at once. A request that has waited until its limit was a pause itself.
    const backOff = Math.min(1000 * 2 ** errors, MAX_BACK_OFF) * (1 - Math.random() / 2);
    const pause = limit.aborted ? 0 : backOff;
    status("closed", { ...error.cause, retryIn: pause });
    if (!(error instanceof NoAnswer)) reportError(error); // The page shows mistakes, too.
    await new Promise((resume) => setTimeout(resume, pause));
    return errors + 1;
  }
}

/** Requests `path`, which the server may hold for `wait` seconds. Resolves to the JSON of the response, or to null
 *  after a 204. */
async function get(path, wait, signal) {
  const sent = Date.now();
  // Without "no-store", the browser lets a second tab wait for the response to the first.
  // The body comes after the headers, and can be late or end too early, too.
  const withBody = async (response) => ({ response, body: await response.text() });
  const { response, body } = await fetch(path, { cache: "no-store", signal }).then(withBody).catch(() => {
    throw new NoAnswer("no answer", { cause: signal.aborted ? { silence: TIMEOUT } : { isUnreachable: true } });
  });
  if (!response.ok) throw new NoAnswer("refused", { cause: { httpStatus: response.status } });
  // No news, and much too early: the server stops, or somebody has cut all connections. If everybody asked again
  // at once, all would arrive together; and a proxy that never waits would be asked without a pause.
  const isEarly = response.status === 204 && Date.now() - sent < (wait * 1000) / 2;
  if (isEarly) throw new NoAnswer("ended early", { cause: { isEarly } });
  return response.status === 204 ? null : JSON.parse(body);
}
