// Three ways to read a room. Each function opens a connection over one transport and returns how to close it, and
// how to send a frame if the transport goes both ways. From then on it calls:
//
//   onAlive()                  the connection is open, or still alive
//   onEvent(event, data, ack)  the server has sent an event; `ack` is there if it is the reply to a frame
//   onClose(reason)            the connection has ended, or could not be opened; requests.js says what a reason is
//
// `url(path)` returns the address of a path of the room, with the cursor. `poll(wait, signal)` requests the events after
// the cursor once and dispatches them itself.

import { pause } from "./back-off.js";
import { SERVER_EVENTS } from "./events.js";
import { reasonOf } from "./requests.js";

/** How often the server sends something, in seconds: it puts its heartbeat on the page. */
export const HEARTBEAT = Math.max(1, Number(document.body.dataset.heartbeat) || 15);
/** For how many seconds a long poll may wait at most. Many proxies give up on a request after 30 s. */
const MAX_WAIT = 25;

/** @typedef {{close: () => void, send?: (frame: string) => void}} OpenTransport */

/** WebSocket: one connection, frames in both directions. */
function webSocket({ url, onAlive, onEvent, onClose }) {
  const socket = new WebSocket(location.origin.replace("http", "ws") + url("/ws"));
  socket.onopen = onAlive;
  socket.onmessage = (frame) => {
    const { event, data, ack } = JSON.parse(frame.data);
    onEvent(event, data, ack);
  };
  socket.onclose = () => onClose({ code: "connection-broke" });
  function send(frame) {
    // The server has begun to close it. `onclose` comes next, and for `send` the browser would only report an error.
    if (socket.readyState === WebSocket.CLOSING) return;
    socket.send(frame);
  }
  return { close: () => socket.close(), send };
}

/** Server-Sent Events: one response that never ends. */
function eventStream({ url, onAlive, onEvent, onClose }) {
  const source = new EventSource(url("/events"));
  source.onopen = onAlive;
  for (const event of SERVER_EVENTS) {
    source.addEventListener(event, ({ data }) => onEvent(event, JSON.parse(data)));
  }
  // The EventSource would reconnect by itself, but it would never try another transport.
  source.onerror = () => onClose({ code: "stream-broke" });
  return { close: () => source.close() };
}

/** Long polling: one request after another, which the server holds until there is an event. */
function longPoll({ poll, onAlive, onClose }) {
  const stopped = new AbortController();
  // Wait for one heartbeat, so that the server sends something as often as on the other transports.
  const longestWait = Math.min(Math.floor(HEARTBEAT), MAX_WAIT);
  async function pollForever() {
    // The first response comes at once: it shows that long polling works.
    await poll(0, stopped.signal);
    while (true) {
      onAlive();
      await pollPatiently(() => poll(longestWait, stopped.signal));
    }
  }
  pollForever().catch((error) => onClose(reasonOf(error)));
  return { close: () => stopped.abort() };
}

/** Polls again after a pause, as long as the server asks for one: polls count against the user's rate. */
async function pollPatiently(poll) {
  while (true) {
    try {
      await poll();
      return;
    } catch (error) {
      if (!(error.wait > 0)) throw error;
      await pause(error.wait);
    }
  }
}

/**
 * The transports by their names, the best one first.
 * @type {Record<string, (room: object) => OpenTransport>}
 */
export const TRANSPORTS = { websocket: webSocket, sse: eventStream, "long-poll": longPoll };

/**
 * Returns the names of the transports to try, the best one first.
 * @param {string} choice `auto`, or the name of the only one
 */
export function transportNames(choice) {
  return choice === "auto" ? Object.keys(TRANSPORTS) : [choice];
}
