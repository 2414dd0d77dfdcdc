// The form in which messages are written: several lines, a limit, and for whom the next message is.

import { sentence } from "/shared/sentences.js";
import { element, showError } from "./elements.js";
import { inDigits } from "./formats.js";
import { isolated, withNames } from "./names.js";
import { inWords } from "./reasons.js";

/** The longest message, in Unicode characters: the server's limit. */
const MAX_CHARACTERS = 2_000;
/** From how many characters on the page counts them. Below that it shows only how many there may be. */
const COUNTED_FROM = 1_800;
/** `keyCode` of a key that an input method has used. Some browsers say only that, and not `isComposing`. */
const KEY_CODE_COMPOSING = 229;

/**
 * What the form calls. `send` returns the promise of `RoomSocket.emit`; `findId` returns the id of the user who has a
 * name now; `isPresent`: whether somebody with that name is in the room; `onRecipient`: the next message is for this
 * user only, or for all (`null`).
 * @typedef {{send: (message: {text: string, to?: string, to_id?: string}) => Promise<unknown>, sendTyping: () => void,
 *   findId: (name: string) => Promise<string>, isPresent: (name: string) => boolean,
 *   onRecipient: (name: string | null) => void}} ComposerOptions
 */

export class Composer {
  #me;
  #options;
  #form = element("send");
  #text = element("text");
  #toAll = element("to-all");
  #note = element("recipient-note");
  #counter = element("counter");
  /** @type {string | null} the only reader of the next message; `null`: it is for all */
  #recipient = null;
  /** @type {string | undefined} the id of that reader, as soon as it is known */
  #recipientId;

  /**
   * @param {string} me the name of the author
   * @param {ComposerOptions} options
   * @param {AbortSignal} signal ends it
   */
  constructor(me, options, signal) {
    this.#me = me;
    this.#options = options;
    this.#form.addEventListener("submit", (event) => this.#submit(event), { signal });
    this.#text.addEventListener("input", () => this.#onInput(), { signal });
    this.#text.addEventListener("keydown", (event) => this.#onKey(event), { signal });
    this.#toAll.addEventListener("click", () => this.setRecipient(null), { signal });
    this.setRecipient(null);
    this.#showLength();
  }

  /** Writes the next messages to `name` only, or to all (`null`). */
  setRecipient(name) {
    if (name === this.#me) return;
    this.#recipient = name;
    this.#recipientId = undefined;
    this.#clearNote();
    this.#toAll.hidden = name === null;
    this.#form.classList.toggle("private", name !== null);
    this.#text.placeholder = sentence("write.to-all");
    if (name !== null) this.#showRecipient();
    this.#options.onRecipient(name);
    this.#text.focus({ preventScroll: true });
    if (name !== null) this.#findRecipient();
  }

  #showRecipient() {
    const name = isolated(this.#recipient);
    this.#toAll.replaceChildren(...withNames("write.only-to", { name: this.#recipient }));
    this.#toAll.setAttribute("aria-label", sentence("write.only-to-label", { name }));
    this.#text.placeholder = sentence("write.only-one-sees", { name });
  }

  /** Looks again whether the reader of a private message is here, because somebody has joined or left. */
  updatePresence() {
    if (this.#recipient === null) return;
    if (this.#options.isPresent(this.#recipient)) this.#findRecipient();
    else this.#showNote("write.reader-left");
  }

  /** Puts the text of a message that was not sent back into the form, unless another one is being written. */
  restore(text) {
    if (this.#text.value === "") this.#setText(text);
  }

  /** Finds out who has the name now: a message that has to wait must not go to a later holder of the name. */
  async #findRecipient() {
    const name = this.#recipient;
    let id;
    try {
      id = await this.#options.findId(name);
    } catch {
      // Without the id, the message goes to the user who has the name when it is sent.
    }
    if (this.#recipient !== name) return; // Another one was chosen meanwhile.
    this.#recipientId ??= id;
    const isAnother = id !== undefined && id !== this.#recipientId;
    if (isAnother) this.#showNote("write.somebody-else");
    else if (this.#options.isPresent(name)) this.#clearNote();
    else this.#showNote("write.reader-absent");
  }

  /** Says something about the reader of the next message. */
  #showNote(key) {
    this.#note.replaceChildren(...withNames(key, { name: this.#recipient }));
  }

  #clearNote() {
    this.#note.replaceChildren();
  }

  #submit(event) {
    event.preventDefault();
    const text = this.#text.value.trim();
    if (text === "") return;
    const length = countCharacters(text);
    if (length > MAX_CHARACTERS) {
      showError(sentence("write.too-long", { limit: inDigits(MAX_CHARACTERS), length: inDigits(length) }));
      return;
    }
    showError();
    this.#setText("");
    const message = { text, to: this.#recipient ?? undefined, to_id: this.#recipientId };
    this.#options.send(message).catch(({ reason }) => {
      if (reason.code === "refused") return; // The server has refused it. The socket's event `error` says that, too.
      // Too many messages are waiting. This one has not become one of them.
      showError(inWords(reason));
      this.restore(text);
    });
  }

  #onInput() {
    showError();
    this.#showLength();
    // `typing` goes to everybody in the room, so a private message must not cause it.
    if (this.#recipient === null && this.#text.value !== "") this.#options.sendTyping();
  }

  #onKey(event) {
    const { key, shiftKey, isComposing, keyCode } = event;
    // The keys belong to the input method, with which Chinese or Japanese is typed: its Enter chooses a word.
    if (isComposing || keyCode === KEY_CODE_COMPOSING) return;
    if (key === "Escape") this.setRecipient(null);
    if (key === "Enter" && !shiftKey) {
      event.preventDefault();
      this.#form.requestSubmit();
    }
  }

  #setText(text) {
    this.#text.value = text;
    this.#showLength();
  }

  /** Says how long the message is when that begins to matter, and makes the field as high as its text. */
  #showLength() {
    const { value } = this.#text;
    // A text has no more characters than UTF-16 units, and those need no counting.
    const length = value.length < COUNTED_FROM ? 0 : countCharacters(value.trim());
    this.#counter.textContent = lengthInWords(length);
    this.#text.setAttribute("aria-invalid", length > MAX_CHARACTERS);
    if (!CSS.supports("field-sizing", "content")) fitHeight(this.#text);
  }
}

/** Counts the Unicode characters, as the server does: an emoji is one of them, and two units of a JavaScript string. */
function countCharacters(text) {
  return [...text].length;
}

function lengthInWords(length) {
  const numbers = { length, limit: MAX_CHARACTERS, excess: length - MAX_CHARACTERS };
  const values = Object.fromEntries(Object.entries(numbers).map(([name, number]) => [name, inDigits(number)]));
  if (length > MAX_CHARACTERS) return sentence("write.excess", values);
  return sentence(length < COUNTED_FROM ? "write.limit" : "write.length", values);
}

/** Makes a field as high as its text, for browsers that cannot do that by themselves. */
function fitHeight(field) {
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight + field.offsetHeight - field.clientHeight}px`;
}
