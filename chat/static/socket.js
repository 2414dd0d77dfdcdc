// connect, on, emit: one API over three transports.
//
//   const socket = connect("lobby");
//   socket.on("message", ({ from, text, time }) => …);
//   const { id, time } = await socket.emit("message", { text: "Hi" });
//
// Reading: the room is a log on the server, and the cursor says how far this page has read it. Each new connection
// goes on from the cursor, whatever its transport. So a connection that breaks loses nothing.
//
// Writing: a message stays in the outbox until the server has acknowledged it. The outbox is sent after each `emit`,
// and each time a connection opens. A message that is sent again has the same key, so the server stores it once.
//
// The states:
//
//        connect()
//            │
//            ▼              a connection opens
//   ┌──► connecting ─────────────────────────────► open
//   │     │  │  ▲                                    │
//   │     │  └──┘ the attempt fails, but             │ the connection breaks,
//   │     │       the server responds:               │ or is silent for too long
//   │     │       try the next transport             │
//   │     │                                          │
//   │     │ the attempt fails, and the server        │
//   │     │ does not respond, or there is            │
//   │     │ no other transport                       │
//   │     ▼                                          │
//   └── waiting ◄────────────────────────────────────┘
//         for the back-off
//
//   From every state: close(), or a final refusal by the server, ends the socket.
//
// The transports are tried in the order websocket, sse, long-poll: the best one first. While the socket is open over
// sse or long-poll, it tries the better ones again every minute. Then there can be two connections for a moment: the
// active one stays in use until the candidate has opened.

import { BackOff } from "./back-off.js";
import { Connection } from "./connection.js";
import { Outbox } from "./outbox.js";
import { request } from "./requests.js";
import { transportNames } from "./transports.js";

/** A connection that has lasted so many milliseconds was stable: when it breaks, the back-off starts at 1 s again. */
const STABLE_AFTER = 5_000;
/** How often the better transports are tried again, in milliseconds. */
const UPGRADE_RETRY = 60_000;
/** The shortest time between two `typing` events, in milliseconds. The server passes on one a second. */
const TYPING_INTERVAL = 2_000;

/**
 * The data of the event `state`. Waiting for the next attempt is `closed`, too.
 * @typedef {object} State
 * @property {"connecting" | "open" | "closed"} state
 * @property {string} transport the one in use, or else the one that was tried last
 * @property {string} [why] there is no connection
 * @property {number} [wait] milliseconds until the next attempt
 * @property {number} [refused] the status with which the server has refused for good: there is no next attempt
 */

/**
 * Connects to a room.
 * @param {string} room
 * @param {{user?: string, token?: string, transport?: string}} [options] `user`: whose outbox it is; `token`: who
 *   sends the messages, even if another tab has changed the cookie; `transport`: `auto`, or the only one to use
 * @returns {RoomSocket}
 */
export function connect(room, options) {
  return new RoomSocket(room, options);
}

/** A connection to a room that comes back when it breaks. This is what `connect` returns. */
class RoomSocket {
  /** The path of the room on the server. */
  #path;
  #token;
  #listeners = new EventTarget();
  #outbox;

  /** @type {string[]} the names of the transports to try, the best one first */
  #transports;
  /** The index of the transport that was tried last. */
  #index = 0;
  /** @type {Connection | null} the connection in use */
  #active = null;
  /** @type {Connection | null} the connection that is being opened */
  #candidate = null;
  /** Fires when it is time for the next attempt to connect. */
  #timer;
  #backOff = new BackOff();
  #isClosed = false;

  /** The page has read the log up to here. `undefined`: it has read nothing yet. */
  #cursor;
  /** The id of the newest message that was dispatched. */
  #lastId = 0;
  #lastTyping = 0;

  constructor(room, { user = "", token, transport = "auto" } = {}) {
    this.#path = `/rooms/${encodeURIComponent(room)}`;
    this.#token = token;
    this.#outbox = new Outbox(user, room, {
      activeConnection: () => this.#active,
      dispatch: (event, data) => this.#dispatch(event, data),
      refuse: (error) => this.#refuse(error),
    });
    this.#transports = transportNames(transport);
    addEventListener("online", this.#connectIfIdle);
    queueMicrotask(this.#connectIfIdle); // Not at once: the caller has to call `on` first.
  }

  /**
   * Calls `listener` with the data of each event that has this name:
   * - `message`, `joined`, `left`, `roster`, `typing`, `reset` and `ping` come from the server;
   * - `state` comes when the connection has changed, with a {@link State};
   * - `pending` `{key, text, to}` comes when a message goes into the outbox, and later either `ack` `{key, id, time}`
   *   or `error` `{key, error, status}`.
   * @param {string} event
   * @param {(data: any) => void} listener
   */
  on(event, listener) {
    this.#listeners.addEventListener(event, ({ detail }) => listener(detail));
  }

  /**
   * Sends a `message`, or `typing`. The promise of a message is fulfilled when the server has acknowledged it, and
   * rejected when the server refuses it for good. It waits as long as the server cannot be reached.
   * @param {"message" | "typing"} event
   * @param {{text: string, to?: string, to_id?: string}} [data] `to`: the only reader of a private message; `to_id`:
   *   the id that `GET /names/NAME` returns, so that the message is not for a later holder of that name
   * @returns {Promise<{id: number, time: string}> | undefined}
   */
  emit(event, data) {
    if (event === "message") return this.#outbox.add(data);
    if (event === "typing") this.#emitTyping();
    return undefined;
  }

  /** Uses only this transport from now on, or the best one that works (`auto`). */
  setTransport(name) {
    if (this.#isClosed) return;
    this.#transports = transportNames(name);
    this.#backOff.reset();
    if (this.#active && !this.#transports.includes(this.#active.name)) {
      this.#active.close();
      this.#active = null;
    }
    this.#tryTransport(0);
  }

  /** Closes the connection for good. */
  close() {
    this.#end();
  }

  // --- Connecting

  /** Whether there is no connection, and none is being opened. */
  get #isIdle() {
    return !this.#isClosed && !this.#active && !this.#candidate;
  }

  /** Connects if that is necessary. This is an arrow function, so that `this` is right when the browser calls it. */
  #connectIfIdle = () => {
    if (this.#isIdle) this.#tryTransport(0);
  };

  /** Tries the transport with this index. The active connection stays in use until the new one has opened. */
  #tryTransport(index) {
    clearTimeout(this.#timer);
    this.#candidate?.close();
    this.#candidate = null;
    this.#index = index % this.#transports.length;
    const name = this.#transports[this.#index];
    // This transport is in use already, and the ones before it have failed. So keep the active connection.
    if (name === this.#active?.name) this.#scheduleUpgrade();
    else this.#connectVia(name);
  }

  #connectVia(name) {
    const connection = new Connection(name, {
      request: (path, options) => this.#request(path, options),
      url: (path) => this.#path + this.#withCursor(path),
      poll: (wait, signal) => this.#poll(wait, signal),
      onOpen: () => this.#activate(connection),
      onEvent: (event, data) => this.#receive(event, data),
      onClose: (reason, deliveredNothing) => {
        if (connection === this.#active) this.#onActiveClosed(reason, deliveredNothing);
        else this.#onCandidateFailed();
      },
    });
    this.#candidate = connection;
    this.#reportState();
    connection.open();
  }

  /** Puts a connection that has opened into use, in place of the one before. */
  #activate(connection) {
    this.#active?.close();
    this.#active = connection;
    this.#candidate = null;
    this.#scheduleUpgrade();
    this.#reportState();
    this.#outbox.load();
    this.#outbox.send();
  }

  /** Plans to try the better transports again, if there are better ones than the active one. */
  #scheduleUpgrade() {
    if (this.#transports.indexOf(this.#active.name) === 0) return;
    this.#timer = setTimeout(() => this.#tryTransport(0), UPGRADE_RETRY);
  }

  #onActiveClosed(why, deliveredNothing) {
    const { name, openedAt } = this.#active;
    this.#active = null;
    if (Date.now() - openedAt > STABLE_AFTER) this.#backOff.reset();
    if (this.#candidate) {
      this.#reportState(); // The next connection is being opened already.
      return;
    }
    // A transport that opens and then never delivers an event does not work. Go on with the next one.
    const index = deliveredNothing ? this.#transports.indexOf(name) + 1 : 0;
    this.#retryLater(why, this.#backOff.next(), index);
  }

  #onCandidateFailed() {
    this.#candidate = null;
    if (this.#active) this.#tryNextTransport(); // The active connection shows that the server responds.
    else this.#checkServer();
  }

  /** Finds out whether the transport or the server is the reason for a failed attempt. The browser does not tell
   *  that, but a plain request shows whether the server responds. */
  async #checkServer() {
    try {
      await this.#poll(0);
    } catch (error) {
      if (!this.#isIdle) return;
      if (error.isFinal) this.#refuse(error);
      else this.#retryLater(error.message, error.wait ?? this.#backOff.next());
      return;
    }
    // If it is not idle, another attempt has begun during the request.
    if (this.#isIdle) this.#tryNextTransport();
  }

  #tryNextTransport() {
    if (this.#index + 1 < this.#transports.length) {
      this.#tryTransport(this.#index + 1);
    } else {
      this.#retryLater(`${this.#transports[this.#index]} does not work here`, this.#backOff.next());
    }
  }

  /** Waits for so many milliseconds, then tries the transports from this index on. */
  #retryLater(why, wait, index = 0) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#tryTransport(index), wait);
    this.#reportState({ why, wait });
  }

  /** Ends the socket, because the server will refuse every attempt. */
  #refuse({ message, status }) {
    this.#end({ why: message, refused: status });
  }

  /** Ends the socket. `details` belong to its last `state`. */
  #end(details) {
    clearTimeout(this.#timer);
    removeEventListener("online", this.#connectIfIdle);
    this.#active?.close();
    this.#candidate?.close();
    this.#active = null;
    this.#candidate = null;
    this.#reportState(details);
    this.#isClosed = true;
  }

  #reportState(details) {
    let state = "closed";
    if (this.#candidate) state = "connecting";
    if (this.#active) state = "open";
    const connection = this.#active ?? this.#candidate;
    const transport = connection?.name ?? this.#transports[this.#index];
    this.#dispatch("state", { state, transport, ...details });
  }

  // --- Reading

  /** Adds the cursor to a path, so that the server sends what comes after it. */
  #withCursor(path) {
    if (this.#cursor === undefined) return path;
    const separator = path.includes("?") ? "&" : "?";
    return `${path}${separator}after=${this.#cursor}`;
  }

  /** Requests the events after the cursor once. If there are none, the server waits for one, for `wait` seconds. */
  async #poll(wait, signal) {
    const { events, cursor } = await this.#request(this.#withCursor(`/messages?wait=${wait}`), { signal });
    signal?.throwIfAborted();
    for (const { event, data } of events) this.#receive(event, data);
    this.#cursor = cursor;
  }

  /** Moves the cursor and dispatches the event. A message that two connections deliver is dispatched once. */
  #receive(event, data) {
    if (event === "message") {
      if (data.id <= this.#lastId) return;
      this.#lastId = data.id;
      this.#cursor = data.id;
    } else if (event === "reset") {
      // The log does not have this page's cursor any more. The page starts again, with what comes after this one.
      this.#lastId = 0;
      this.#cursor = data.after;
    } else if (event !== "roster") {
      // The server sends the roster first, then the messages of the log, then everything else. If no message has come
      // before this event, the log is empty. Then the cursor is 0, the beginning of the log.
      this.#cursor ??= 0;
    }
    this.#dispatch(event, data);
  }

  #dispatch(event, detail) {
    if (!this.#isClosed) this.#listeners.dispatchEvent(new CustomEvent(event, { detail }));
  }

  // --- Writing

  /** Sends `typing`, but not when there is no connection: later it would not be true any more. */
  #emitTyping() {
    if (!this.#active || Date.now() - this.#lastTyping < TYPING_INTERVAL) return;
    this.#lastTyping = Date.now();
    this.#active.sendTyping();
  }

  #request(path, options) {
    return request(this.#path + path, { token: this.#token, ...options });
  }
}
