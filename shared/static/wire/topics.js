// Topics: what the updates from an address are about, and what is an update at all.

/** The addresses whose responses are no updates: what they send answers the page itself. */
const CONVERSATIONS = ["/echo"];

/** The events that are no updates: signs of life, answers to the page itself, and what is out of date after seconds. The
 *  roster of a chat comes with each new connection, although nothing has changed. */
const NO_NEWS = ["ping", "ack", "error", "typing", "roster"];

/** The subject of every change of the users. Their list does not say what has changed. */
export const USERS = "users";

/** The addresses of a chat room, and the one to which a message for it is posted. */
const ROOM = /^\/rooms\/([^/]+)\//;
const ROOM_MESSAGES = /^\/rooms\/[^/]+\/messages$/;

/**
 * Returns whether an event with this name is an update. One without a name is.
 * @param {string | null} event
 */
export const isNews = (event) => !NO_NEWS.includes(event);

/**
 * Returns the subjects of an update, or of the answer to a change: what the two have in common. In a chat room each
 * message is a subject, because its id is in both.
 * @param {string} path the path of a URL
 * @param {string} text
 */
export function subjectsOf(path, text) {
  const room = ROOM.exec(path)?.[1];
  if (room === undefined) return [USERS];
  const body = parseObject(text); // An event, its data alone (SSE), or a list of events (long polling).
  const ids = (body.events ?? [body]).map(({ id, data }) => id ?? data?.id);
  return ids.filter((id) => id !== undefined).map((id) => `${room} ${id}`);
}

/**
 * Returns the names of the events in a response that is a list of them (`{"events":[…]}`), or null if it is not.
 * @param {string} body
 * @returns {string[] | null}
 */
export function eventsIn(body) {
  const { events } = parseObject(body);
  return Array.isArray(events) ? events.map(({ event }) => event) : null;
}

/**
 * Returns what a text in JSON contains, or an object without fields if it is no object.
 * @param {unknown} text
 * @returns {object}
 */
export function parseObject(text) {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}

/**
 * Returns whether a request of the page is about something that its user does: a change, or, in the chat, the search for
 * a name or for earlier messages. Its response is no update.
 * @param {string} method
 * @param {URL} url
 */
export function isOwnRequest(method, { pathname, searchParams }) {
  return method !== "GET" || pathname.startsWith("/names/") || searchParams.has("before");
}

/**
 * Returns whether a successful POST or DELETE there makes a change about which an update comes.
 * @param {string} path the path of a URL
 */
export const isChange = (path) => path.startsWith("/users") || ROOM_MESSAGES.test(path);

/**
 * Returns `clock`, `users`, or null if messages from there are no updates. The messages of a chat room count as `users`:
 * they are what its page is about.
 * @param {string} path the path of a URL
 */
export function topicOf(path) {
  if (CONVERSATIONS.includes(path)) return null;
  return path === "/clock" ? "clock" : "users";
}
