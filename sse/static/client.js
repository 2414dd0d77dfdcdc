// Server-Sent Events: EventSource reads a response that never ends.

/** After how many heartbeats without a sound the connection is given up. */
const PATIENCE = 2.5;
/** How long to wait before a new EventSource, in milliseconds, when the browser gave up its own. */
const RETRY = 3000;
const STATES = ["CONNECTING", "OPEN", "CLOSED"];

/**
 * @param {(snapshot: {version: number, users: {id: number, username: string}[]}) => void} show
 * @param {(state: "connecting" | "open" | "closed", detail?: string) => void} status
 * @returns {() => void} stops watching
 */
export function watchUsers(show, status) {
  return watch("/users", "users", (data) => show(JSON.parse(data)), status);
}

/**
 * @param {(time: string) => void} show
 * @param {(state: "connecting" | "open" | "closed", detail?: string) => void} status
 * @returns {() => void} stops watching
 */
export function watchClock(show, status) {
  return watch("/clock", "message", show, status);
}

function watch(path, eventName, show, status) {
  const silence = PATIENCE * 1000 * document.body.dataset.heartbeat;
  let source, timer, lastId = "";

  function open() {
    source?.close();
    source = new EventSource(lastId ? `${path}?lastEventId=${lastId}` : path);
    source.addEventListener(eventName, (event) => {
      lastId = event.lastEventId;
      show(event.data);
      alive();
    });
    source.addEventListener("ping", alive);
    source.onopen = alive;
    // The browser comes back by itself after a break, but never after a status other than 200.
    source.onerror = () => {
      report();
      if (source.readyState === EventSource.CLOSED) openIn(RETRY);
    };
    alive();
  }
  function alive() {
    report();
    openIn(silence); // A connection that is dead without a word never says so.
  }
  function openIn(milliseconds) {
    clearTimeout(timer);
    timer = setTimeout(open, milliseconds);
  }
  function report() {
    const state = STATES[source.readyState];
    status(state.toLowerCase(), `readyState ${source.readyState} (${state})`);
  }

  open();
  return () => {
    clearTimeout(timer);
    source.close();
  };
}
