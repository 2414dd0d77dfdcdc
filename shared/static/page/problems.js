// Mistakes in client.js: whatever goes wrong there, the page has a sentence for it, and marks the line.

import { element } from "/shared/page/dom.js";
import { sentence } from "/shared/sentences.js";

/** Where an error came from: `client.js:23:5` in the stack of every browser. */
const POSITION = /\/static\/client\.js[^:\s]*:(\d+)/;

/** The sentences on the page, so that each is there once. */
const shown = new Set();

/** Shows a sentence about client.js.
 *  @param {string} text
 *  @param {number} [line] the line of client.js
 *  @param {string} [quoted] a part of the text that the browser has said, in English */
export function problem(text, line, quoted = "") {
  const whole = line ? sentence("mistake.at-line", { line, sentence: text }) : sentence("mistake.in-file", { sentence: text });
  if (shown.has(whole)) return;
  shown.add(whole);
  const item = document.createElement("p");
  const english = document.createElement("span");
  english.lang = "en";
  english.textContent = quoted;
  const start = whole.lastIndexOf(quoted);
  item.append(whole.slice(0, start), english, whole.slice(start + quoted.length));
  element("client-error").append(item);
  mark(line);
}

/** Shows an error that client.js has thrown.
 *  @param {unknown} error
 *  @param {(error: string) => string} [word] returns the sentence around the error */
export function thrown(error, word = (text) => text) {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  problem(word(text), lineOf(error), text);
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
  else if (filename?.includes("/static/client.js")) problem(message, lineno, message);
});
window.addEventListener("unhandledrejection", ({ reason }) => {
  thrown(reason, (error) => sentence("mistake.not-caught", { error }));
});
document.addEventListener("securitypolicyviolation", ({ blockedURI, effectiveDirective }) => {
  problem(sentence("mistake.policy", { directive: effectiveDirective, address: blockedURI }));
});

// What pages used before `fetch`. It works, but a student who has found it in an old tutorial should know.
window.XMLHttpRequest = class extends XMLHttpRequest {
  open(...request) {
    problem(sentence("mistake.xml-http-request"));
    super.open(...request);
  }
};
