// What comes before the window of messages that the page shows.

/** @typedef {import("./message-item.js").Message} Message */

/** The messages before the oldest one on the page. One page of them is requested ahead, so that the list knows whether
 *  there are any before it offers to show them. */
export class EarlierMessages {
  /** @type {"unknown" | "some" | "none" | "failed"} whether there are any; `failed`: the server could not be asked */
  state = "unknown";
  #read;
  #onChange;
  /** The page before this message was requested last. */
  #id;
  /** @type {Promise<Message[]> | undefined} */
  #page;

  /**
   * @param {(id: number) => Promise<Message[]>} read requests the page before a message
   * @param {() => void} onChange is called when `state` has changed
   */
  constructor(read, onChange) {
    this.#read = read;
    this.#onChange = onChange;
  }

  /**
   * Returns the page before a message, which may have come already. It is empty at the beginning of the log, and if
   * the server cannot be asked: `state` says which.
   * @param {number} id
   */
  async before(id) {
    if (id !== this.#id) {
      this.#id = id;
      this.#page = this.#read(id);
    }
    const page = this.#page;
    try {
      const messages = await page;
      this.#setState(messages.length > 0 ? "some" : "none", page);
      return messages;
    } catch {
      this.#setState("failed", page);
      if (page === this.#page) this.#id = undefined; // The next call asks again.
      return [];
    }
  }

  /** Notes that the page has removed its oldest messages, so that there certainly are earlier ones. */
  addUnread() {
    this.#restart("some");
  }

  /** Notes that nothing is known any more. */
  reset() {
    this.#restart("unknown");
  }

  #restart(state) {
    this.#id = undefined;
    this.#page = undefined;
    this.state = state;
  }

  /** Changes the state, unless the page that says so is out of date. */
  #setState(state, page) {
    if (page !== this.#page) return;
    this.state = state;
    this.#onChange();
  }
}
