// How each message came to this page, and how the reader's own messages were sent.

/** Of how many messages the page remembers that: three times as many as the list has. */
const MAX_KNOWN = 900;

/** What the transports bring a message in. `history` is the page's word for the messages that it reads back. */
const CAME_IN = {
  websocket: "a frame on the one open line (WebSocket)",
  sse: "an event on the one open line (SSE)",
  "long-poll": "the response to a request (long polling)",
  history: "the response to a request for earlier messages",
};

/**
 * What is known of one message. `via`: how it came, see `RoomSocket.on`; `key`: its idempotency key; `attempts`: how
 * often this page has sent it; `isRestored`: an earlier page has left it in the outbox.
 * @typedef {{via?: {transport: string, after?: number | string}, key?: string, attempts?: number,
 *   isRestored?: boolean}} Delivery
 */

export class Deliveries {
  /** @type {Map<number | string, Delivery>} by the id of a message, or by its key as long as it has no id */
  #known = new Map();

  /**
   * Notes something about a message.
   * @param {number | string} id its id, or its key as long as it has no id
   * @param {Delivery} details
   */
  note(id, details) {
    this.#known.set(id, { ...this.#known.get(id), ...details });
    if (this.#known.size > MAX_KNOWN) this.#known.delete(this.#known.keys().next().value);
  }

  /**
   * Moves what is known to the id, because the server has acknowledged the message.
   * @param {{key: string, id: number, attempts: number}} receipt
   */
  acknowledge({ key, id, attempts }) {
    this.note(id, { ...this.#known.get(key), key, attempts });
    this.#known.delete(key);
  }

  /**
   * Returns how often the page has sent the message, or `undefined` if it was not this page.
   * @param {number | string} id
   */
  attempts(id) {
    return this.#known.get(id)?.attempts;
  }

  /**
   * Returns what to show of a message, as pairs of a label and a text.
   * @param {{id?: number, key?: string, isMine: boolean}} message
   * @returns {[string, string][]}
   */
  describe({ id, key, isMine }) {
    const delivery = this.#known.get(id ?? key) ?? {};
    const rows = [];
    if (id === undefined) rows.push(["cursor", "none yet: the server has not confirmed that the message is stored"]);
    else rows.push(["came in", cameIn(delivery)], ["cursor", cursorChange(id, delivery)]);
    rows.push(["key", delivery.key ?? unknownKey(isMine)]);
    if (delivery.attempts !== undefined) rows.push(["sent", timesSent(id, delivery)]);
    return rows;
  }
}

function cameIn({ via }) {
  return via ? CAME_IN[via.transport] : "not yet: only its receipt has come";
}

function cursorChange(id, { via }) {
  if (via?.transport === "history") return `${id}; the page's own cursor has not moved, because this is older`;
  if (via?.after === undefined) return `${id}; the page had none before`;
  return `${via.after} → ${id}`;
}

function unknownKey(isMine) {
  return isMine ? "known only to the page that has sent it" : "known only to its author";
}

function timesSent(id, { attempts, isRestored }) {
  const before = isRestored ? "maybe by an earlier page, and " : "";
  if (attempts === 0) return `${before}not yet by this page`;
  if (attempts === 1) return `${before}once`;
  const stored = id === undefined ? "so it cannot be stored twice" : "and stored once";
  return `${before}${attempts} times under the same key, ${stored}`;
}
