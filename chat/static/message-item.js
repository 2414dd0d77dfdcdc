// The items of the list of messages. Texts and names are put in as text, never as HTML.

import { sentence } from "/shared/sentences.js";
import { withLinks } from "./links.js";
import { avatar, bidi, hueClass, nameButton, withNames } from "./names.js";

/** What has happened, in words. */
const NOTICES = { joined: "messages.joined", left: "messages.left", reset: "messages.reset" };

/**
 * A message. One that the server has not acknowledged yet has a key, and no id and no time.
 * @typedef {{id?: number, key?: string, from: string, text: string, time?: string, to?: string}} Message
 */

/** @typedef {{kind: "joined" | "left" | "reset", name?: string, time?: string}} Notice Somebody has
 *  joined or left, or the list begins again after a reset. */

/**
 * What all items of a list have in common. `me`: the reader's name; `setRecipient` is called when the name of an author
 * is clicked; `describe` returns how a message came, when the reader wants to know; `onToggle` is called when the reader
 * has opened or closed that, so that the list has another height.
 * @typedef {{me: string, setRecipient: (name: string) => void, onToggle: () => void,
 *   describe: (message: {id?: number, key?: string, isMine: boolean}) => [string, string][]}} ItemOptions
 */

/** The item of a message. */
export class MessageItem {
  /** The `<li>`. */
  element = document.createElement("li");
  #message;
  #options;
  #time = document.createElement("time");
  /** Says how often the message was sent, if that was more than once. */
  #again = document.createElement("span");
  #details = document.createElement("details");
  #rows = document.createElement("dl");

  /**
   * @param {Message} message
   * @param {ItemOptions} options
   */
  constructor(message, options) {
    this.#message = message;
    this.#options = options;
    const { from, to } = message;
    this.element.dataset.from = JSON.stringify([from, to]);
    this.element.classList.toggle("mine", this.#isMine);
    this.element.classList.toggle("private", to !== undefined);
    if (!this.#isMine) this.element.append(avatar(from));
    this.element.append(this.#author(), this.#bubble());
    this.#showTime();
  }

  get #isMine() {
    return this.#message.from === this.#options.me;
  }

  /**
   * Shows that the server has stored the message.
   * @param {{id: number, time: string}} receipt
   */
  confirm({ id, time }) {
    this.#message = { ...this.#message, id, time };
    this.#showTime();
    this.refresh();
  }

  /** Shows again how the message came, if the reader is looking at that. */
  refresh() {
    if (!this.#details.open) return;
    const { id, key } = this.#message;
    const rows = this.#options.describe({ id, key, isMine: this.#isMine });
    this.#rows.replaceChildren(...rows.flatMap(([label, text]) => [withText("dt", label), withText("dd", text)]));
  }

  #onToggle() {
    this.refresh();
    if (this.#details.open) this.element.scrollIntoView({ block: "nearest" });
    this.#options.onToggle();
  }

  /** @param {number} [attempts] how often the message was sent, if this page knows that */
  showAttempts(attempts) {
    this.#again.textContent = attempts > 1 ? ` ${sentence("message.sent-often", { attempts })}` : "";
    this.refresh();
  }

  #author() {
    const { from, to } = this.#message;
    const author = document.createElement("p");
    author.className = `author ${hueClass(from)}`;
    const name = this.#isMine ? bidi(from) : this.#authorButton();
    if (to === undefined) author.append(name);
    else if (to === this.#options.me) author.append(...withNames("message.only-to-you", { author: name }));
    else author.append(...withNames("message.only-to", { author: name, reader: to }));
    return author;
  }

  /** Makes the author's name. The Tab key does not stop at it, because it finds each name in the roster. */
  #authorButton() {
    const button = nameButton(this.#message.from, this.#options.setRecipient);
    button.tabIndex = -1;
    return button;
  }

  #bubble() {
    const text = document.createElement("p");
    text.className = "text";
    text.dir = "auto";
    text.append(...withLinks(this.#message.text));
    const summary = document.createElement("summary");
    summary.title = sentence("message.how-it-came");
    // For the style sheet: only a screen reader needs it.
    summary.style.setProperty("--stored-at", JSON.stringify(sentence("message.stored-at")));
    summary.append(this.#time, this.#again);
    this.#details.append(summary, this.#rows);
    this.#details.addEventListener("toggle", () => this.#onToggle());
    const bubble = document.createElement("div");
    bubble.className = "bubble";
    bubble.append(text, this.#details);
    return bubble;
  }

  #showTime() {
    const { id, time } = this.#message;
    if (id === undefined) {
      this.element.dataset.pending = "";
      this.#time.textContent = sentence("message.waiting");
      return;
    }
    delete this.element.dataset.pending;
    this.element.dataset.id = id;
    this.element.dataset.date = time.slice(0, 10);
    fillTime(this.#time, time);
  }
}

/**
 * Makes the item of a notice.
 * @param {Notice} notice
 */
export function noticeItem({ kind, name, time }) {
  const item = document.createElement("li");
  item.className = "notice";
  item.append(...withNames(NOTICES[kind], { name }));
  if (time === undefined) return item;
  const element = document.createElement("time");
  fillTime(element, time);
  item.append(" ", element);
  item.dataset.date = time.slice(0, 10);
  return item;
}

/** Shows hours and minutes. The rest is there for screen readers and tests only: the page shows the date once, above
 *  the first item of a day. */
function fillTime(element, time) {
  element.dateTime = time;
  element.title = sentence("message.server-time", { time });
  element.replaceChildren(unseen(`${time.slice(0, 10)} `), time.slice(11, 16), unseen(time.slice(16)));
}

function unseen(text) {
  const part = withText("span", text);
  part.className = "unseen";
  return part;
}

function withText(name, text) {
  const element = document.createElement(name);
  element.textContent = text;
  return element;
}
