// WebSocket: one connection that carries messages in both directions.

/** The longest back-off before a new connection, in milliseconds. */
const MAX_BACK_OFF = 30_000;

/** @typedef {(state: "connecting" | "open" | "closed", detail?: string) => void} Status */

/**
 * Shows the users, now and whenever they have changed.
 * @param {(snapshot: {version: number, users: {id: number, username: string}[]}) => void} show
 * @param {Status} status is told the state of the connection
 * @returns {() => void} stops watching
 */
export function watchUsers(show, status) {
  return watch("/users", { users: show }, status);
}

/**
 * Shows the server's time, every second.
 * @param {(time: string) => void} show
 * @param {Status} status is told the state of the connection
 * @returns {() => void} stops watching
 */
export function watchClock(show, status) {
  return watch("/clock", { clock: ({ time }) => show(time) }, status);
}

/** Calls the listener that has the name of the event. A WebSocket never comes back by itself: what
 *  EventSource does for us has to be written here. */
function watch(path, listeners, status) {
  let socket, timer, failures = 0;

  function open() {
    status("connecting", "asking for an upgrade");
    // "https" becomes "wss": a page that came over TLS may open nothing else.
    socket = new WebSocket(`${location.origin.replace("http", "ws")}${path}`);
    socket.onopen = () => status("open", "frames may go both ways");
    socket.onmessage = (message) => {
      failures = 0;
      const { event, data } = JSON.parse(message.data);
      listeners[event]?.(data);
    };
    // It also comes after an error, so that one handler will do.
    socket.onclose = ({ code }) => {
      const wait = backOff(failures++);
      status("closed", `close code ${code}, a new connection in ${(wait / 1000).toFixed(1)} s`);
      timer = setTimeout(open, wait);
    };
  }

  open();
  return () => {
    clearTimeout(timer);
    socket.onclose = null;
    socket.close();
  };
}

/** 1 s, 2 s, 4 s … 30 s, and up to half of it less, so that after a restart of the server not all
 *  clients come back in the same moment. */
function backOff(failures) {
  return Math.min(1000 * 2 ** failures, MAX_BACK_OFF) * (1 - Math.random() / 2);
}
