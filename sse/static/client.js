// Server-Sent Events: EventSource reads a response that never ends.

/** After how many heartbeats without any event the connection is given up. One may be late, but not two. */
const MISSED_HEARTBEATS = 2.5;
/** How long to wait before a new EventSource when the browser has given up the old one, in milliseconds. */
const REOPEN_AFTER = 3000;
/** The names of the values of `EventSource.readyState`: 0, 1 and 2. */
const STATES = ["connecting", "open", "closed"];

/** @typedef {(state: "connecting" | "open" | "closed", detail?: string) => void} Status */

/**
 * Shows the users, now and whenever they have changed.
 * @param {(snapshot: {version: number, users: {id: number, username: string}[]}) => void} show
 * @param {Status} status receives the state of the connection
 * @returns {() => void} stops watching
 */
export function watchUsers(show, status) {
  return watch("/users", "users", (data) => show(JSON.parse(data)), status);
}

/**
 * Shows the server's time, every second.
 * @param {(time: string) => void} show
 * @param {Status} status receives the state of the connection
 * @returns {() => void} stops watching
 */
export function watchClock(show, status) {
  return watch("/clock", "message", show, status);
}

/** Opens an EventSource, and a new one when the browser gives it up or nothing arrives any more. */
function watch(path, eventName, show, status) {
  // The server writes the time between two heartbeats, in seconds, into the page.
  const silenceLimit = MISSED_HEARTBEATS * 1000 * Number(document.body.dataset.heartbeat);
  let source, timer, lastId;

  function open() {
    source?.close();
    // The browser sends Last-Event-ID by itself, but a new EventSource does not know the id of the old one.
    source = new EventSource(lastId ? `${path}?lastEventId=${lastId}` : path);
    source.addEventListener(eventName, (event) => {
      onActivity();
      lastId = event.lastEventId;
      show(event.data);
    });
    source.addEventListener("ping", onActivity);
    source.onopen = onActivity;
    source.onerror = onError;
    report();
    reopenAfter(silenceLimit);
  }
  function onActivity() {
    report();
    reopenAfter(silenceLimit); // A connection that breaks may raise no error: then only the silence shows it.
  }
  /** The browser reconnects by itself when the connection ends, but not after a status other than 200. */
  function onError() {
    if (source.readyState === EventSource.CLOSED) {
      const pause = REOPEN_AFTER * (1 + Math.random());
      report(`no stream, a new EventSource in ${(pause / 1000).toFixed(1)} s`);
      reopenAfter(pause);
    } else {
      report("no connection, the browser tries again every 1.5 to 3 s");
    }
  }
  function reopenAfter(milliseconds) {
    clearTimeout(timer);
    timer = setTimeout(open, milliseconds);
  }
  function report(detail = source.readyState === EventSource.OPEN ? "the answer goes on" : "asking") {
    status(STATES[source.readyState], `${detail} (readyState ${source.readyState})`);
  }

  open();
  return () => {
    clearTimeout(timer);
    source.close();
  };
}
