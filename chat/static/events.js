// The names of all events, for every transport. A new event needs its name here.

/** The events that the server sends. An EventSource delivers only events whose names it was given. */
export const SERVER_EVENTS = ["message", "joined", "left", "roster", "typing", "reset", "ping"];
/** The events that a page can listen to. The socket adds events about its connection and about the user's messages. */
export const LISTENABLE_EVENTS = [...SERVER_EVENTS, "state", "pending", "sending", "delayed", "ack", "error"];
/** The events that a page can send. */
export const SENDABLE_EVENTS = ["message", "typing"];

/**
 * Throws if `names` does not have this name. Otherwise a wrong name would have no effect, and nobody would notice.
 * @param {string} name
 * @param {string[]} names
 */
export function checkEvent(name, names) {
  if (names.includes(name)) return;
  throw new TypeError(`There is no event "${name}" here. The file events.js has these: ${names.join(", ")}.`);
}
