// One connection to a room over one transport: it notices silence, and it finds the reply to a message.

import { RequestError, TIMEOUT, TOO_MANY, reasonOf } from "./requests.js";
import { HEARTBEAT, TRANSPORTS } from "./transports.js";

/** After how many heartbeats without an event a connection counts as dead: one heartbeat may be late, two are not. */
const MISSED_HEARTBEATS = 2.5;
/** The longest frame, in UTF-16 units (each is 3 bytes at most). The server closes the connection when a frame has
 *  more than 16 KiB; a request that is too large it only refuses. */
const MAX_FRAME = 5_000;

/** @typedef {import("./requests.js").Reason} Reason */

/**
 * What a connection needs to know of its room, and what it calls.
 * @typedef {object} ConnectionOptions
 * @property {(path: string) => string} url the address of a path of the room, with the cursor
 * @property {(path: string, options: object) => Promise<any>} request sends a request to a path of the room
 * @property {(wait: number, signal: AbortSignal) => Promise<void>} poll requests the events after the cursor once
 * @property {() => void} onOpen the connection can be used
 * @property {() => void} onAlive something has come over the connection
 * @property {(event: string, data: object) => void} onEvent the server has sent an event
 * @property {(reason: Reason, deliveredNothing: boolean) => void} onClose the connection has broken, or could not be
 *   opened; `deliveredNothing`: it was silent for too long, and no event had ever come
 */

/** One attempt to connect, and what becomes of it. It is used once: after it has closed, make a new one. */
export class Connection {
  /** When it opened, in milliseconds since 1970. */
  openedAt = 0;
  /** @type {ConnectionOptions} */
  #options;
  /** @type {import("./transports.js").OpenTransport | undefined} */
  #transport;
  #silenceTimer;
  #isClosed = false;
  /** An event has come. Long polling never says that, because `poll` dispatches its events. But it is the last transport,
   *  so there is no other one to go on with. */
  #hasReceived = false;
  #lastAck = 0;
  /** The message that waits for its reply: the number of its frame, and its promise. */
  #awaitingAck = null;

  /**
   * @param {string} name of the transport
   * @param {ConnectionOptions} options
   */
  constructor(name, options) {
    this.name = name;
    this.#options = options;
  }

  open() {
    this.#giveUpAfter(TIMEOUT);
    try {
      this.#transport = TRANSPORTS[this.name]({
        ...this.#options,
        onAlive: () => this.#noteAlive(),
        onEvent: (event, data, ack) => this.#receive(event, data, ack),
        onClose: (reason) => this.#fail(reason),
      });
    } catch {
      this.#fail({ code: "unusable", transport: this.name }); // This browser does not have the transport at all.
    }
  }

  close() {
    this.#isClosed = true;
    clearTimeout(this.#silenceTimer);
    this.#transport?.close();
    this.#awaitingAck?.reject(new RequestError({ code: "connection-broke" }));
  }

  /** Tells the server that the user is typing. It does not matter if that fails. */
  sendTyping() {
    if (this.#transport.send) this.#transport.send(`{"event":"typing"}`);
    else this.#options.request("/typing", { body: {} }).catch(() => {});
  }

  /**
   * Sends a message, in a frame if that is possible, or else in a request. The next message has to wait for the end.
   * @param {import("./outbox.js").Draft} draft
   * @returns {Promise<{id: number, time: string}>} the receipt
   * @throws {RequestError} if the server refuses the message, for now or for good, or if no reply comes. Without a
   *   reply the connection counts as dead, too: its silence would show that only later.
   */
  async sendMessage(draft) {
    try {
      return await this.#deliver(draft);
    } catch (error) {
      if (!error.isReply) this.#fail(reasonOf(error));
      throw error;
    }
  }

  async #deliver(draft) {
    this.#lastAck += 1;
    const frame = JSON.stringify({ event: "message", ack: this.#lastAck, data: draft });
    if (this.#transport.send && frame.length <= MAX_FRAME) {
      const { event, data } = await this.#replyTo(frame);
      if (event === "ack") return data;
      const { error, retry_after: seconds } = data;
      if (seconds) throw new RequestError({ code: "refused", status: TOO_MANY, error }, seconds * 1000);
      // Another error in a frame has no status, and only a status says whether it is final. So send a request.
    }
    return this.#options.request("/messages", { body: draft });
  }

  /** Sends a frame and returns the event that has the same `ack`. */
  #replyTo(frame) {
    return new Promise((resolve, reject) => {
      this.#awaitingAck = { ack: this.#lastAck, resolve, reject };
      setTimeout(() => reject(new RequestError({ code: "no-answer" })), TIMEOUT);
      this.#transport.send(frame);
    });
  }

  #receive(event, data, ack) {
    if (this.#isClosed) return;
    this.#noteAlive();
    this.#hasReceived = true;
    if (ack === undefined) this.#options.onEvent(event, data);
    else if (ack === this.#awaitingAck?.ack) this.#awaitingAck.resolve({ event, data });
  }

  /** Notes a sign of life. The first one means that the connection is open. */
  #noteAlive() {
    if (this.#isClosed) return;
    // A dead connection raises no error. Only its silence shows that it is dead.
    this.#giveUpAfter(MISSED_HEARTBEATS * HEARTBEAT * 1000);
    this.#options.onAlive();
    if (this.openedAt > 0) return;
    this.openedAt = Date.now();
    this.#options.onOpen();
  }

  /** Gives the connection up if there is no sign of life for so many milliseconds from now on. */
  #giveUpAfter(milliseconds) {
    clearTimeout(this.#silenceTimer);
    const giveUp = () => this.#fail({ code: "silent" }, !this.#hasReceived);
    this.#silenceTimer = setTimeout(giveUp, milliseconds);
  }

  #fail(reason, deliveredNothing = false) {
    if (this.#isClosed) return;
    this.close();
    this.#options.onClose(reason, deliveredNothing);
  }
}
