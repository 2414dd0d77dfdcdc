// WebSocket: one connection that carries messages in both directions.

/** The latest connection to each path. */
const sockets = {};
/** What to call if the server refuses a new user. */
let onRefused;

/** Opens a connection. The listener that has the name of an event gets its data. */
function connect(path, listeners) {
  // "https" becomes "wss": a page that came over TLS may open nothing else.
  const socket = new WebSocket(location.origin.replace("http", "ws") + path);
  socket.addEventListener("message", (message) => {
    const { event, data } = JSON.parse(message.data);
    listeners[event]?.(data);
  });
  sockets[path] = socket;
  return socket;
}

/**
 * Shows the users, now and whenever they have changed.
 * @param {(snapshot: Snapshot) => void} show
 * @param {Status} status
 * @returns {() => void} stops watching
 */
export function watchUsers(show, status) {
  return keepOpen("/users", status, { users: show, error: ({ error }) => onRefused?.(error) });
}

/**
 * Shows the server's time, every second.
 * @param {(time: string) => void} show
 * @param {Status} status
 * @returns {() => void} stops watching
 */
export function watchClock(show, status) {
  return keepOpen("/clock", status, { clock: ({ time }) => show(time) });
}

/**
 * Adds a user: a frame that goes up the connection on which the list comes down. The answer is an event, too:
 * the new list, or an error.
 * @param {string} username
 * @param {(error: string) => void} refused
 */
export function addUser(username, refused) {
  onRefused = refused;
  const socket = sockets["/users"];
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ username }));
  else refused("The connection is not open, so nothing was sent."); // `send` would throw, or drop it silently.
}

// What makes it robust: a WebSocket never comes back by itself, and never notices that it is silent. What
// EventSource does for us has to be written here.

/** How long a connection may be silent, in milliseconds. A "ping" event comes with each heartbeat; one may be
 *  late, but not two. The server writes the time between two heartbeats, in seconds, into the page. */
const SILENCE_LIMIT = 2.5 * Number(document.body.dataset.heartbeat) * 1000;
/** The longest pause before a new connection, in milliseconds. */
const MAX_BACK_OFF = 30_000;

/** @typedef {{version: number, users: {id: number, username: string}[]}} Snapshot */

/** Receives the state of the connection: "open" again at each sign of life from the server, and "closed"
 *  with the number of milliseconds until the next attempt.
 *  @typedef {(state: "connecting" | "open" | "closed", detail?: string, retryIn?: number) => void} Status */

/** Keeps a connection open until the returned function is called: makes a new one when the old one has ended
 *  or is silent. */
function keepOpen(path, status, listeners) {
  let socket, silence, retry, failures = 0;

  function open(detail) {
    close();
    status("connecting", detail);
    socket = connect(path, listeners);
    socket.onopen = () => status("open", "the connection is upgraded");
    socket.addEventListener("message", onActivity);
    socket.onclose = onClose; // It also comes after an error, so that one handler will do.
    limitSilence();
  }
  function onActivity() {
    failures = 0;
    status("open", "frames may go both ways");
    limitSilence();
  }
  function limitSilence() {
    clearTimeout(silence);
    silence = setTimeout(open, SILENCE_LIMIT, `nothing came for ${SILENCE_LIMIT / 1000} s, so the page asks again`);
  }
  function onClose({ code }) {
    clearTimeout(silence);
    // The back-off of lesson 2: 1 s, 2 s, 4 s … 30 s, minus a random part of up to half.
    const pause = Math.min(1000 * 2 ** failures++, MAX_BACK_OFF) * (1 - Math.random() / 2);
    status("closed", `close code ${code}`, pause);
    retry = setTimeout(open, pause, "asking for an upgrade");
  }
  function close() {
    clearTimeout(silence);
    clearTimeout(retry);
    if (socket) socket.onclose = null; // A server that is silent does not answer the Close frame either.
    socket?.close();
  }

  open("asking for an upgrade");
  return close;
}
