// Server-Sent Events: EventSource reads a response that never ends.

/** After how many heartbeats of silence the connection is given up: one may be late, two are not. */
const PATIENCE = 2.5;
/** How long to wait before a new EventSource, in milliseconds, when the browser has given up its own. */
const REOPEN_AFTER = 3000;

/** @typedef {(state: "connecting" | "open" | "closed", detail?: string) => void} Status */

/**
 * Shows the users, now and whenever they have changed.
 * @param {(snapshot: {version: number, users: {id: number, username: string}[]}) => void} show
 * @param {Status} status is told the state of the connection
 * @returns {() => void} stops watching
 */
export function watchUsers(show, status) {
  return watch("/users", "users", (data) => show(JSON.parse(data)), status);
}

/**
 * Shows the server's time, every second.
 * @param {(time: string) => void} show
 * @param {Status} status is told the state of the connection
 * @returns {() => void} stops watching
 */
export function watchClock(show, status) {
  return watch("/clock", "message", show, status);
}

function watch(path, eventName, show, status) {
  // The server puts its heartbeat, in seconds, on the page.
  const silence = PATIENCE * 1000 * Number(document.body.dataset.heartbeat);
  let source, timer, lastId;

  function open() {
    source?.close();
    // The browser sends Last-Event-ID by itself, but a new EventSource knows nothing of the old one.
    source = new EventSource(lastId ? `${path}?lastEventId=${lastId}` : path);
    source.addEventListener(eventName, (event) => {
      heard();
      lastId = event.lastEventId;
      show(event.data);
    });
    source.addEventListener("ping", heard);
    source.onopen = heard;
    // The browser comes back by itself after a break, but never after a status other than 200.
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) return report("the browser asks again in 1.5 to 3 s");
      const wait = REOPEN_AFTER * (1 + Math.random());
      report(`a new EventSource in ${(wait / 1000).toFixed(1)} s`);
      reopenAfter(wait);
    };
    report();
    reopenAfter(silence);
  }
  function heard() {
    report();
    reopenAfter(silence); // A dead connection raises no error; only silence shows it.
  }
  function reopenAfter(milliseconds) {
    clearTimeout(timer);
    timer = setTimeout(open, milliseconds);
  }
  function report(plan = `readyState ${source.readyState}`) {
    status(["connecting", "open", "closed"][source.readyState], plan);
  }

  open();
  return () => {
    clearTimeout(timer);
    source.close();
  };
}
