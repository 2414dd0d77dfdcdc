// Mistakes in client.js: whatever goes wrong there, the page has a sentence for it, and marks the line.

import { element } from "/shared/page/dom.js";

/** Where an error came from: `client.js:23:5` in the stack of every browser. */
const POSITION = /\/static\/client\.js[^:\s]*:(\d+)/;

/** The sentences on the page, so that each is there once. */
const shown = new Set();

/** Shows a sentence about client.js.
 *  @param {string} sentence
 *  @param {number} [line] the line of client.js */
export function problem(sentence, line) {
  const text = line ? `client.js, line ${line}: ${sentence}` : `client.js: ${sentence}`;
  if (shown.has(text)) return;
  shown.add(text);
  const item = document.createElement("p");
  item.textContent = text;
  element("client-error").append(item);
  mark(line);
}

/** Shows an error that client.js has thrown.
 *  @param {unknown} error
 *  @param {string} [what] what the page did */
export function thrown(error, what) {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  problem(what ? `${what}: ${text}` : text, lineOf(error));
}

/** Returns the line of client.js at which an error was thrown, if there is one. */
function lineOf(error) {
  const position = error instanceof Error && POSITION.exec(error.stack ?? "");
  return position ? Number(position[1]) : undefined;
}

function mark(line) {
  const span = line && document.querySelectorAll(".source span")[line - 1];
  if (!span) return;
  span.classList.add("mistake");
  const folded = span.closest("details");
  if (folded) folded.open = true;
}

// What is thrown later, in a callback or after an `await`. It stays on the console, too.
window.addEventListener("error", ({ error, message, filename, lineno }) => {
  if (error) thrown(error);
  else if (filename?.includes("/static/client.js")) problem(message, lineno);
});
window.addEventListener("unhandledrejection", ({ reason }) => thrown(reason, "nobody has caught an error"));
document.addEventListener("securitypolicyviolation", ({ blockedURI, effectiveDirective }) => {
  problem(`the policy of this page (${effectiveDirective}) has blocked ${blockedURI}`);
});

// What pages used before `fetch`. It works, but a student who has found it in an old tutorial should know.
window.XMLHttpRequest = class extends XMLHttpRequest {
  open(...request) {
    problem("an XMLHttpRequest is sent. It works, too, but the lessons use fetch, which came after it");
    super.open(...request);
  }
};
