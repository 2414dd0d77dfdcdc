// Topics: what the updates from an address are about.

/** The addresses whose responses are no updates: what they send answers the page itself. */
const CONVERSATIONS = ["/echo"];

/**
 * Returns `clock`, `users`, or null if messages from there are no updates.
 * @param {string} path the path of a URL
 */
export function topicOf(path) {
  if (CONVERSATIONS.includes(path)) return null;
  return path === "/clock" ? "clock" : "users";
}
