// What the page says when a request fails: sentences for people, without the words of HTTP.

/** No response has come. */
export const UNREACHABLE = "The server cannot be reached. Is it running?";
/** The connection was accepted, and then nothing came. */
export const NO_ANSWER = "The server does not answer.";
/** A response has come that the chat's server never sends: a network that asks for a login sends one, for example. */
export const NOT_OURS = "Something else answers in place of the chat's server.";

/** A bug in this page or in the server: nothing that its user can change. */
const MISUNDERSTOOD = "The page and the server do not understand each other. Reload the page.";
const NOT_READY = "The server is not ready at the moment.";

/** The sentences for statuses whose meaning is always the same. The server's own sentences are for programmers here. */
const BY_STATUS = {
  400: MISUNDERSTOOD,
  401: "The server does not know you any more: it was started anew, or your name was not used for a day.",
  403: "The server accepts this only from its own page. Open the chat at the server's own address.",
  404: "Nobody has that name any more.",
  405: MISUNDERSTOOD,
  408: "The connection is too slow: the server has stopped waiting.",
  413: "That is too long for the server.",
  415: MISUNDERSTOOD,
  500: "Something went wrong on the server.",
  502: NOT_READY,
  504: NOT_READY,
};

/** The statuses with which the server says which of its rules is broken, in a sentence for people. These here are for
 *  a proxy that answers in its place. */
const IN_ITS_OWN_WORDS = {
  409: "Somebody else has that name. Choose another.",
  422: "The server does not accept that.",
  429: "That was too often. Wait a moment.",
  503: NOT_READY,
};

/**
 * Returns what to say when a response has this status.
 * @param {number} status
 * @param {unknown} [fromServer] the server's own sentence; a proxy may send anything
 */
export function sentenceFor(status, fromServer) {
  if (status in IN_ITS_OWN_WORDS && typeof fromServer === "string") return fromServer;
  return IN_ITS_OWN_WORDS[status] ?? BY_STATUS[status] ?? "That did not work, and the server does not say why.";
}
