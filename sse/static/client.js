// Server-Sent Events: EventSource reads a response that never ends.

/**
 * Shows the users, now and whenever they have changed.
 * @param {(snapshot: Snapshot) => void} show
 * @param {Status} status
 * @returns {() => void} stops watching
 */
export function watchUsers(show, status) {
  return keepOpen("/users", status, (url) => {
    const source = new EventSource(url);
    source.addEventListener("users", (event) => show(JSON.parse(event.data)));
    return source;
  });
}

/**
 * Shows the server's time, every second.
 * @param {(time: string) => void} show
 * @param {Status} status
 * @returns {() => void} stops watching
 */
export function watchClock(show, status) {
  return keepOpen("/clock", status, (url) => {
    const source = new EventSource(url);
    source.onmessage = (event) => show(event.data); // An event without a name is a "message".
    return source;
  });
}

// What makes it robust. The browser asks again by itself when the response has ended. It does not when the
// status is not 200, and it cannot notice a connection that is silent.

/** How long a connection may be silent, in milliseconds. A "ping" comes with each heartbeat; one may be late,
 *  but not two. The server writes the time between two heartbeats, in seconds, into the page. */
const SILENCE_LIMIT = 2.5 * Number(document.body.dataset.heartbeat) * 1000;
/** How long to wait before a new EventSource when the browser has given up the old one, in milliseconds. A
 *  random part is added, so that not all browsers return at once. */
const REOPEN_AFTER = 3000;

/** @typedef {{version: number, users: {id: number, username: string}[]}} Snapshot */

/** Receives the state of the connection: "open" again at each sign of life from the server. The facts are for
 *  the page, which has a sentence for them. All times are in milliseconds.
 *  @typedef {(state: "connecting" | "open" | "closed", facts?: Facts) => void} Status
 *  @typedef {object} Facts
 *  @property {0 | 1 | 2} [readyState] of the EventSource
 *  @property {boolean} [hasFailed] whether the connection has ended, or was refused
 *  @property {number} [silence] for how long nothing came
 *  @property {number} [retryIn] the time until the next attempt */

/** Keeps an EventSource open until the returned function is called. Makes a new one with `connect` when the
 *  browser has given up the old one, or when it is silent. */
function keepOpen(path, status, connect) {
  let source, lastId, silence, retry;

  function open(facts) {
    close();
    // The browser sends Last-Event-ID by itself, but a new EventSource does not know the id of the old one.
    source = connect(lastId ? `${path}?lastEventId=${lastId}` : path);
    status("connecting", { readyState: source.readyState, ...facts });
    source.onopen = onActivity;
    source.onerror = onError;
    for (const name of ["users", "message", "ping"]) source.addEventListener(name, onEvent);
    limitSilence();
  }
  function onEvent(event) {
    lastId = event.lastEventId || lastId;
    onActivity();
  }
  function onActivity() {
    status("open", { readyState: source.readyState });
    limitSilence();
  }
  function limitSilence() {
    clearTimeout(silence);
    silence = setTimeout(open, SILENCE_LIMIT, { silence: SILENCE_LIMIT });
  }
  function onError() {
    if (source.readyState === EventSource.CONNECTING) {
      status("connecting", { readyState: source.readyState, hasFailed: true }); // It asks again by itself.
      return;
    }
    const pause = REOPEN_AFTER * (1 + Math.random());
    status("closed", { readyState: source.readyState, retryIn: pause });
    clearTimeout(silence);
    retry = setTimeout(open, pause);
  }
  function close() {
    clearTimeout(silence);
    clearTimeout(retry);
    source?.close();
  }

  open();
  return close;
}
