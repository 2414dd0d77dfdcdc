// How each message came to this page, and how the reader's own messages were sent.

import { sentence } from "/shared/sentences.js";

/** Of how many messages the page remembers that: three times as many as the list has. */
const MAX_KNOWN = 900;

/** What the transports bring a message in. `history` is the page's word for the messages that it reads back. */
const CAME_IN = {
  websocket: "delivery.in-a-frame",
  sse: "delivery.in-an-event",
  "long-poll": "delivery.in-a-response",
  history: "delivery.in-history",
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
    if (id !== undefined) rows.push([sentence("delivery.came-in"), cameIn(delivery)]);
    rows.push([sentence("delivery.cursor"), cursorChange(id, delivery)]);
    rows.push([sentence("delivery.key"), delivery.key ?? unknownKey(isMine)]);
    if (delivery.attempts !== undefined) rows.push([sentence("delivery.sent"), timesSent(id, delivery)]);
    return rows;
  }
}

function cameIn({ via }) {
  return sentence(via ? CAME_IN[via.transport] : "delivery.only-its-receipt");
}

function cursorChange(id, { via }) {
  if (id === undefined) return sentence("delivery.no-cursor-yet");
  if (via?.transport === "history") return sentence("delivery.cursor-stayed", { id });
  if (via?.after === undefined) return sentence("delivery.first-cursor", { id });
  return `${via.after} → ${id}`;
}

function unknownKey(isMine) {
  return sentence(isMine ? "delivery.key-of-another-page" : "delivery.key-of-its-author");
}

function timesSent(id, { attempts, isRestored }) {
  const sent = timesSentByThisPage(id, attempts);
  return isRestored ? sentence("delivery.by-an-earlier-page", { sent }) : sent;
}

function timesSentByThisPage(id, attempts) {
  if (attempts === 0) return sentence("delivery.not-sent-yet");
  if (attempts === 1) return sentence("delivery.sent-once");
  return sentence(id === undefined ? "delivery.sent-often" : "delivery.stored-once", { attempts });
}
