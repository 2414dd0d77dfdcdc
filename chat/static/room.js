// Requests to one room: what all transports need, and what long polling is made of.

import { Cursor } from "./cursor.js";
import { request } from "./requests.js";

/** A room on the server, as one page knows it. */
export class Room {
  /** How far the page has read the log. */
  cursor = new Cursor();
  /** When something last came from the server, in milliseconds since 1970; 0: never. */
  lastReceivedAt = 0;
  /** How many requests for events were sent. */
  pollCount = 0;
  #path;
  #token;

  /**
   * @param {string} name
   * @param {string} [token] of the user
   */
  constructor(name, token) {
    this.#path = `/rooms/${encodeURIComponent(name)}`;
    this.#token = token;
  }

  /** Returns the address of a path of the room, with the cursor in it. */
  url(path) {
    return this.#path + this.cursor.addTo(path);
  }

  /** Sends a request to a path of the room, with the options of {@link request}. */
  async request(path, options) {
    const response = await request(this.#path + path, { token: this.#token, ...options });
    this.noteAlive();
    return response;
  }

  /**
   * Requests the events after the cursor once. If there are none, the server waits for one, for `wait` seconds.
   * @param {{wait: number, signal?: AbortSignal}} options
   * @param {(event: string, data: any) => void} onEvent
   */
  async poll({ wait, signal }, onEvent) {
    this.pollCount += 1;
    const { events, cursor } = await this.request(this.cursor.addTo(`/messages?wait=${wait}`), { signal });
    signal?.throwIfAborted();
    for (const { event, data } of events) onEvent(event, data);
    this.cursor.value = cursor;
  }

  /** Notes that something has come from the server. */
  noteAlive() {
    this.lastReceivedAt = Date.now();
  }
}
