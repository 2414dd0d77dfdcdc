// Who is in the room.

import { sentence } from "/shared/sentences.js";
import { element } from "./elements.js";
import { compareNames } from "./formats.js";
import { avatar, nameButton, withNames } from "./names.js";

/** How many names are shown at most. */
const MAX_SHOWN = 200;

export class Roster {
  #me;
  #onSelect;
  #list = element("roster");
  /** @type {string[]} */
  #names = [];
  /** The name that is marked as the reader of the next message. */
  #recipient = null;

  /**
   * @param {string} me the reader's name
   * @param {(name: string | null) => void} onSelect is called with the name that was clicked, or with `null` if it was
   *   marked already
   */
  constructor(me, onSelect) {
    this.#me = me;
    this.#onSelect = onSelect;
    this.show([]);
  }

  /** Shows exactly these names.
   *  @param {string[]} names */
  show(names) {
    this.#names = [...names].sort(compareNames);
    const items = this.#names.slice(0, MAX_SHOWN).map((name) => this.#item(name));
    if (names.length > MAX_SHOWN) {
      const rest = document.createElement("li");
      rest.textContent = sentence("people.more", { count: names.length - MAX_SHOWN });
      items.push(rest);
    }
    const focused = this.#list.contains(document.activeElement) ? document.activeElement.textContent : undefined;
    this.#list.replaceChildren(...items);
    this.#buttons().find((button) => button.textContent === focused)?.focus();
    element("people-title").textContent = sentence("people.title-and-count", { count: names.length });
  }

  add(name) {
    this.show([...this.#names.filter((other) => other !== name), name]);
  }

  remove(name) {
    this.show(this.#names.filter((other) => other !== name));
  }

  has(name) {
    return this.#names.includes(name);
  }

  /** Marks who will read the next message; `null`: all. */
  markRecipient(name) {
    this.#recipient = name;
    for (const button of this.#buttons()) button.setAttribute("aria-pressed", button.textContent === name);
  }

  #buttons() {
    return [...this.#list.querySelectorAll("button")];
  }

  #item(name) {
    const item = document.createElement("li");
    item.append(avatar(name));
    if (name === this.#me) item.append(this.#self());
    else item.append(this.#button(name));
    return item;
  }

  #self() {
    const self = document.createElement("span");
    self.append(...withNames("people.you", { name: this.#me }));
    return self;
  }

  #button(name) {
    const button = nameButton(name, () => this.#onSelect(name === this.#recipient ? null : name));
    button.setAttribute("aria-pressed", name === this.#recipient);
    return button;
  }
}
