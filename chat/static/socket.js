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
import { LISTENABLE_EVENTS, SENDABLE_EVENTS, checkEvent } from "./events.js";
import { Outbox } from "./outbox.js";
import { reasonOf } from "./requests.js";
import { Room } from "./room.js";
import { transportNames } from "./transports.js";

/** A connection that has lasted so many milliseconds was stable: when it breaks, the back-off starts at 1 s again. The
 *  time is short, because in a deploy the next server may be the next one to stop, and a user who is away for 5 s has
 *  left. */
const STABLE_AFTER = 1_000;
/** How often the better transports are tried again, in milliseconds. */
const UPGRADE_RETRY = 60_000;
/** The shortest time between two `typing` events, in milliseconds. The server passes on one a second. */
const TYPING_INTERVAL = 2_000;

/**
 * The data of the event `state`. Waiting for the next attempt is `closed`, too.
 * @typedef {object} State
 * @property {"connecting" | "open" | "closed"} state
 * @property {string} transport the one in use, or else the one that was tried last
 * @property {import("./requests.js").Reason} [why] there is no connection
 * @property {number} [wait] milliseconds until the next attempt
 * @property {boolean} [isRefused] the server has refused for good, as `why` says: there is no next attempt
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
  #room;
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

  #lastTyping = 0;

  constructor(room, { user = "", token, transport = "auto" } = {}) {
    this.#room = new Room(room, token);
    this.#outbox = new Outbox(user, room, {
      activeConnection: () => this.#active,
      dispatch: (event, data) => this.#dispatch(event, data),
      refuse: (error) => this.#refuse(error),
    });
    this.#transports = transportNames(transport);
    addEventListener("online", this.#reconnect);
    queueMicrotask(() => this.retry()); // Not at once: the caller has to call `on` first.
  }

  /**
   * Calls `listener` with the data of each event that has this name:
   * - `message`, `joined`, `left`, `roster`, `typing`, `reset` and `ping` come from the server;
   * - `state` comes when the connection has changed, with a {@link State};
   * - `pending` `{key, text, to, isRestored}` comes when a message goes into the outbox, from an earlier page if
   *   `isRestored`; `sending` `{key, attempts}` each time it is sent, `delayed` `{key, reason}` when it has to be sent
   *   again later, and at last either `ack` `{key, id, time, attempts}` or `error` `{key, reason}`.
   * A `message` also says how it came: `via.transport` delivered it to a page whose cursor was `via.after`.
   * @param {string} event
   * @param {(data: any) => void} listener
   * @throws {TypeError} if events.js does not have the event
   */
  on(event, listener) {
    checkEvent(event, LISTENABLE_EVENTS);
    this.#listeners.addEventListener(event, ({ detail }) => listener(detail));
  }

  /**
   * Sends a `message`, or `typing`. The promise of a message is fulfilled when the server has acknowledged it, and
   * rejected when the server refuses it for good. It waits as long as the server cannot be reached.
   * @param {"message" | "typing"} event
   * @param {{text: string, to?: string, to_id?: string}} [data] `to`: the only reader of a private message; `to_id`:
   *   the id that `GET /names/NAME` returns, so that the message is not for a later holder of that name
   * @returns {Promise<{id: number, time: string}> | undefined}
   * @throws {TypeError} if it is another event
   */
  emit(event, data) {
    checkEvent(event, SENDABLE_EVENTS);
    return event === "message" ? this.#outbox.add(data) : this.#emitTyping();
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

  /** Tries to connect now, if the socket waits for its next attempt. */
  retry() {
    if (this.#isIdle) this.#tryTransport(0);
  }

  /** Returns how far the socket has come: its cursor, when something last came from the server (in milliseconds
   *  since 1970; 0: never), and how many requests for events it has sent. */
  get progress() {
    const { cursor, lastReceivedAt, pollCount } = this.#room;
    return { cursor: cursor.value, lastReceivedAt, pollCount };
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

  /** Connects anew, because the network is back: a connection from before may have broken without a sign. This is an
   *  arrow function, so that `this` is right when the browser calls it. */
  #reconnect = () => {
    this.#active?.close();
    this.#active = null;
    this.#tryTransport(0);
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
      request: (path, options) => this.#room.request(path, options),
      url: (path) => this.#room.url(path),
      poll: (wait, signal) => this.#poll(wait, signal),
      onOpen: () => this.#activate(connection),
      onAlive: () => this.#room.noteAlive(),
      onEvent: (event, data) => this.#receive(event, data, name),
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
      else this.#retryLater(reasonOf(error), error.wait ?? this.#backOff.next());
      return;
    }
    // If it is not idle, another attempt has begun during the request.
    if (this.#isIdle) this.#tryNextTransport();
  }

  #tryNextTransport() {
    if (this.#index + 1 < this.#transports.length) {
      this.#tryTransport(this.#index + 1);
    } else {
      this.#retryLater({ code: "unusable", transport: this.#transports[this.#index] }, this.#backOff.next());
    }
  }

  /** Waits for so many milliseconds, then tries the transports from this index on. */
  #retryLater(why, wait, index = 0) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#tryTransport(index), wait);
    this.#reportState({ why, wait });
  }

  /** Ends the socket, because the server will refuse every attempt. */
  #refuse({ reason }) {
    this.#end({ why: reason, isRefused: true });
  }

  /** Ends the socket. `details` belong to its last `state`. */
  #end(details) {
    clearTimeout(this.#timer);
    removeEventListener("online", this.#reconnect);
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

  #poll(wait, signal) {
    return this.#room.poll({ wait, signal }, (event, data) => this.#receive(event, data, "long-poll"));
  }

  /** Moves the cursor and dispatches the event, if it is new. */
  #receive(event, data, transport) {
    const after = this.#room.cursor.value;
    if (!this.#room.cursor.advance(event, data)) return;
    this.#dispatch(event, event === "message" ? { ...data, via: { transport, after } } : data);
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
}
