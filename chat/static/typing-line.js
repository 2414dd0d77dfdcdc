// The line that says who is typing.

import { sentence } from "/shared/sentences.js";
import { element } from "./elements.js";
import { withNames } from "./names.js";

/** For how many milliseconds the page shows that somebody is typing. A client that goes on typing sends `typing` every
 *  two seconds. */
const SHOWN_MS = 4_000;
/** The sentences for one name, for two and for three. More are not shown. */
const SENTENCES = ["typing.one", "typing.two", "typing.three"];

export class TypingLine {
  #line = element("typing");
  /** @type {Map<string, number>} who is typing, with the timer that ends it */
  #timers = new Map();

  start(name) {
    clearTimeout(this.#timers.get(name));
    this.#timers.set(name, setTimeout(() => this.stop(name), SHOWN_MS));
    this.#show();
  }

  stop(name) {
    clearTimeout(this.#timers.get(name));
    if (this.#timers.delete(name)) this.#show();
  }

  close() {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#show();
  }

  #show() {
    const names = [...this.#timers.keys()];
    const [first, second, third] = names;
    this.#line.replaceChildren();
    if (names.length === 0) return;
    if (names.length > SENTENCES.length) this.#line.append(sentence("typing.several"));
    else this.#line.append(...withNames(SENTENCES[names.length - 1], { first, second, third }));
  }
}
