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
  return keepOpen("/users", status, { users: show, error: (refusal) => onRefused?.(refusal) });
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
 * @param {(refusal: {error?: string, readyState?: number}) => void} refused gets the error of the server, or the state
 *   of a connection that is not open
 */
export function addUser(username, refused) {
  onRefused = refused;
  const socket = sockets["/users"];
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ username }));
  else refused({ readyState: socket?.readyState }); // `send` would throw, or drop it silently.
}

// What makes it robust: a WebSocket never comes back by itself, and never notices that it is silent. What
// EventSource does for us has to be written here.

/** How long a connection may be silent, in milliseconds. A "ping" event comes with each heartbeat; one may be
 *  late, but not two. The server writes the time between two heartbeats, in seconds, into the page. */
const SILENCE_LIMIT = 2.5 * Number(document.body.dataset.heartbeat) * 1000;
/** The longest pause before a new connection, in milliseconds. */
const MAX_BACK_OFF = 30_000;

/** @typedef {{version: number, users: {id: number, username: string}[]}} Snapshot */

/** Receives the state of the connection: "open" again at each sign of life from the server. The facts are for
 *  the page, which has a sentence for them. All times are in milliseconds.
 *  @typedef {(state: "connecting" | "open" | "closed", facts?: Facts) => void} Status
 *  @typedef {object} Facts
 *  @property {boolean} [isUpgraded] whether the handshake has just ended
 *  @property {number} [code] the close code: 1001 if the server stops, 1006 if there was no Close frame
 *  @property {number} [silence] for how long nothing came
 *  @property {number} [retryIn] the time until the next attempt */

/** Keeps a connection open until the returned function is called: makes a new one when the old one has ended
 *  or is silent. */
function keepOpen(path, status, listeners) {
  let socket, silence, retry, failures = 0;

  function open(facts) {
    close();
    status("connecting", facts);
    socket = connect(path, listeners);
    socket.onopen = () => status("open", { isUpgraded: true });
    socket.addEventListener("message", onActivity);
    socket.onclose = onClose; // It also comes after an error, so that one handler will do.
    limitSilence();
  }
  function onActivity() {
    failures = 0;
    status("open");
    limitSilence();
  }
  function limitSilence() {
    clearTimeout(silence);
    silence = setTimeout(open, SILENCE_LIMIT, { silence: SILENCE_LIMIT });
  }
  function onClose({ code }) {
    clearTimeout(silence);
    // The back-off of lesson 2: 1 s, 2 s, 4 s … 30 s, minus a random part of up to half.
    const pause = Math.min(1000 * 2 ** failures++, MAX_BACK_OFF) * (1 - Math.random() / 2);
    status("closed", { code, retryIn: pause });
    retry = setTimeout(open, pause);
  }
  function close() {
    clearTimeout(silence);
    clearTimeout(retry);
    if (socket) socket.onclose = null; // A server that is silent does not answer the Close frame either.
    socket?.close();
  }

  open();
  return close;
}
