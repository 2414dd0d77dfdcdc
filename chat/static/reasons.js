// Why something did not succeed, in words for people: without the words of HTTP.

import { sentence } from "/shared/sentences.js";

/** What `requests.js`, `connection.js` and the like report. */
const REASONS = {
  // No response has come.
  unreachable: "reason.unreachable",
  // The connection was accepted, and then nothing came.
  "no-answer": "reason.no-answer",
  // A response has come that the chat's server never sends: a network that asks for a login sends one, for example.
  "not-ours": "reason.not-ours",
  "connection-broke": "reason.connection-broke",
  "stream-broke": "reason.stream-broke",
  silent: "reason.silent",
  unusable: "reason.unusable",
  "outbox-full": "reason.outbox-full",
};

/** The sentences for statuses whose meaning is always the same. The server's own sentences are for programmers here,
 *  or say the same in English only. */
const BY_STATUS = {
  // 400, 405 and 415 are a bug in this page or in the server: nothing that its user can change.
  400: "reason.misunderstood",
  401: "reason.unknown-user",
  403: "reason.other-site",
  404: "reason.nobody",
  405: "reason.misunderstood",
  408: "reason.too-slow",
  409: "reason.name-taken",
  413: "reason.too-long",
  415: "reason.misunderstood",
  500: "reason.server-failed",
  502: "reason.not-ready",
  504: "reason.not-ready",
};

/** The statuses with which the server says which of its rules is broken, in a sentence for people. These here are for
 *  a proxy that answers in its place. */
const IN_ITS_OWN_WORDS = {
  422: "reason.not-accepted",
  429: "reason.too-often",
  503: "reason.not-ready",
};

/**
 * Makes the sentence for a reason. It is an element, because the server's own sentences are English on every page.
 * @param {import("./requests.js").Reason} reason
 */
export function inWords(reason) {
  const words = document.createElement("span");
  if (isInItsOwnWords(reason)) {
    words.lang = "en";
    words.textContent = reason.error;
  } else {
    words.textContent = inOurWords(reason);
  }
  return words;
}

function isInItsOwnWords({ status, error }) {
  return status in IN_ITS_OWN_WORDS && typeof error === "string";
}

function inOurWords({ code, status, ...values }) {
  if (code !== "refused") return sentence(REASONS[code], values);
  return sentence(IN_ITS_OWN_WORDS[status] ?? BY_STATUS[status] ?? "reason.unknown");
}
