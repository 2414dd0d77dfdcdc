// The messages that the server has not acknowledged yet: saves them, and sends them one after another.
//
// They outlive the page. Each one is an item of its own in localStorage, so that two tabs of one browser never
// overwrite each other's messages. Both tabs may send the same message: it has the same key, so the server stores it
// once.

import { BackOff, pause } from "./back-off.js";
import { RequestError, reasonOf } from "./requests.js";

/** How many messages may wait. One more is refused at once, so that its author knows; none is dropped. */
const MAX_PENDING = 100;

/**
 * A message that the server may not have yet. `key`: its idempotency key; `to` and `to_id`: its only reader, if it is private.
 * @typedef {{key: string, text: string, to?: string, to_id?: string}} Draft
 */
/**
 * A draft that waits, how often it was sent, and the promise of its author. A draft from the storage has no promise,
 * and an earlier page may have sent it, too.
 * @typedef {{draft: Draft, attempts: number, resolve?: (receipt: object) => void, reject?: (error: Error) => void}}
 *   Item
 */

export class Outbox {
  /** @type {Item[]} in the order in which they were written */
  #items = [];
  #storage;
  #options;
  #isSending = false;
  #lastTime = 0;

  /**
   * @param {string} user
   * @param {string} room
   * @param {{activeConnection: () => import("./connection.js").Connection | null,
   *   dispatch: (event: string, data: object) => void, refuse: (error: Error) => void}} options `dispatch`: is
   *   called with `pending`, `sending`, `delayed`, `ack` and `error`; `refuse`: is called when the server does not
   *   accept the user
   */
  constructor(user, room, options) {
    this.#storage = openStorage(`chat/${encodeURIComponent(user)}/${room}/`);
    this.#options = options;
  }

  /**
   * Adds a message and sends it.
   * @returns {Promise<{id: number, time: string}>} fulfilled with the receipt when the server has acknowledged the
   *   message; rejected when the server refuses it for good, or when too many messages are waiting
   */
  add({ text, to, to_id }) {
    return new Promise((resolve, reject) => {
      if (this.#items.length >= MAX_PENDING) {
        reject(new RequestError({ code: "outbox-full", limit: MAX_PENDING }));
        return;
      }
      const draft = { key: this.#newKey(), text, to, to_id };
      this.#items.push({ draft, attempts: 0, resolve, reject });
      this.#storage.save(draft);
      this.#options.dispatch("pending", draft);
      this.send();
    });
  }

  /** Adds the messages that an earlier page or another tab has left in the storage. */
  load() {
    const isMissing = ({ key }) => !this.#items.some(({ draft }) => draft.key === key);
    const drafts = this.#storage.load().filter(isMissing);
    this.#items.push(...drafts.map((draft) => ({ draft, attempts: 0 })));
    this.#items.sort((a, b) => (a.draft.key < b.draft.key ? -1 : 1));
    for (const draft of drafts) this.#options.dispatch("pending", { ...draft, isRestored: true });
  }

  /** Sends what waits while there is a connection, one message after another. With two on the way, the server could
   *  accept the second and refuse the first for now, and their order would be lost. */
  async send() {
    if (this.#isSending) return;
    this.#isSending = true;
    const { activeConnection, dispatch, refuse } = this.#options;
    const backOff = new BackOff();
    while (activeConnection() && this.#items.length > 0) {
      const connection = activeConnection();
      const item = this.#items[0];
      const { key } = item.draft;
      item.attempts += 1;
      dispatch("sending", { key, attempts: item.attempts });
      try {
        const receipt = await connection.sendMessage(item.draft);
        this.#acknowledge(item, receipt);
        backOff.reset();
      } catch (error) {
        if (error.isAboutUser) refuse(error); // The message stays here until the user is back.
        else if (error.isFinal) this.#reject(item, error);
        else if (connection === activeConnection()) {
          dispatch("delayed", { key, reason: reasonOf(error) });
          await pause(error.wait ?? backOff.next());
        }
        // Otherwise the connection has broken: the message is sent again at once if there is another one.
      }
    }
    this.#isSending = false;
  }

  #acknowledge(item, receipt) {
    this.#remove(item);
    item.resolve?.(receipt);
    this.#options.dispatch("ack", { key: item.draft.key, attempts: item.attempts, ...receipt });
  }

  #reject(item, error) {
    this.#remove(item);
    item.reject?.(error);
    this.#options.dispatch("error", { key: item.draft.key, reason: error.reason });
  }

  #remove(item) {
    this.#items = this.#items.filter((other) => other !== item);
    this.#storage.remove(item.draft);
  }

  /** Returns a key that no other message has. It begins with the time, because `load` sorts the messages by it. */
  #newKey() {
    this.#lastTime = Math.max(Date.now(), this.#lastTime + 1); // Two messages may be of the same millisecond.
    return `${this.#lastTime}-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`;
  }
}

/** Opens the part of localStorage whose names begin with `prefix`. The browser may forbid to use localStorage, or it
 *  may be full. Then the messages wait only as long as the page is open. */
function openStorage(prefix) {
  const storage = orUndefined(() => localStorage);
  const read = (name) => orUndefined(() => JSON.parse(storage.getItem(name)));
  return {
    save: (draft) => orUndefined(() => storage.setItem(prefix + draft.key, JSON.stringify(draft))),
    load: () => Object.keys(storage ?? {}).filter((name) => name.startsWith(prefix)).map(read).filter(Boolean),
    remove: (draft) => orUndefined(() => storage.removeItem(prefix + draft.key)),
  };
}

/** Returns what `action` returns, or `undefined` if it throws. */
function orUndefined(action) {
  try {
    return action();
  } catch {
    return undefined;
  }
}
