// The line that says who is typing.

import { element } from "./elements.js";
import { bidi } from "./names.js";

/** For how many milliseconds the page shows that somebody is typing. A client that goes on typing sends `typing` every
 *  two seconds. */
const SHOWN_MS = 4_000;
/** How many names are shown at most. */
const MAX_NAMES = 3;

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
    this.#line.replaceChildren();
    if (names.length === 0) return;
    if (names.length > MAX_NAMES) {
      this.#line.append("Several people are typing …");
      return;
    }
    names.forEach((name, index) => {
      const isLast = index === names.length - 1;
      if (index > 0) this.#line.append(isLast ? " and " : ", ");
      this.#line.append(bidi(name));
    });
    this.#line.append(names.length === 1 ? " is typing …" : " are typing …");
  }
}
