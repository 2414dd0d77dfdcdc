// Shows the state of the connection, how long ago the server sent something, and when the next attempt begins.

import { element } from "./elements.js";
import { HEARTBEAT } from "./transports.js";

/** How often the times are brought up to date, in milliseconds. */
const TICK_MS = 250;
/** After how many seconds of silence the server is late: something is due every heartbeat. */
const LATE_AFTER = HEARTBEAT + 2;

const NAMES = { websocket: "WebSocket", sse: "SSE", "long-poll": "long polling" };
/** What each transport does while it is open, in words that show the difference. */
const KINDS = {
  websocket: "one open line, both ways (WebSocket)",
  sse: "one open line, from the server only (SSE)",
  "long-poll": "asks again and again (long polling)",
};

/** @typedef {import("./socket.js").State} State */

export class ConnectionStatus {
  #socket;
  #status = element("status");
  #text = element("status-text");
  #kind = element("status-kind");
  #times = element("status-times");
  #retry = element("retry");
  #cursor = element("cursor");
  /** @type {State} */
  #state = { state: "connecting", transport: "websocket" };
  /** Why the last attempt has failed, until a connection opens. */
  #why = "";
  /** When the next attempt begins, in milliseconds since 1970; 0: no attempt is planned. */
  #retryAt = 0;

  /**
   * @param {ReturnType<typeof import("./socket.js").connect>} socket
   * @param {AbortSignal} signal ends it
   */
  constructor(socket, signal) {
    this.#socket = socket;
    this.#retry.addEventListener("click", () => socket.retry(), { signal });
    const timer = setInterval(() => this.#tick(), TICK_MS);
    signal.addEventListener("abort", () => clearInterval(timer));
    this.show(this.#state);
  }

  get isOpen() {
    return this.#state.state === "open";
  }

  /** @param {State} state */
  show(state) {
    this.#state = state;
    this.#why = state.state === "open" ? "" : (state.why ?? this.#why);
    this.#retryAt = state.wait === undefined ? 0 : Date.now() + state.wait;
    this.#status.dataset.state = state.state;
    this.#status.dataset.transport = state.transport;
    this.#status.dataset.retryAt = this.#retryAt; // For the timeline.
    this.#kind.textContent = this.isOpen ? KINDS[state.transport] : "";
    this.#tick();
    // A button that disappears would take the focus with it.
    if (this.#retryAt === 0 && document.activeElement === this.#retry) this.#status.focus();
    this.#retry.hidden = this.#retryAt === 0;
  }

  #summary(isLate) {
    const { state, transport } = this.#state;
    let summary = isLate ? "connected, but the server is silent" : "connected";
    if (state === "connecting") summary = `connecting over ${NAMES[transport]}`;
    if (state === "closed") summary = "not connected";
    return this.#why === "" ? summary : `${summary}. ${this.#why}`;
  }

  #tick() {
    const { cursor, lastReceivedAt, pollCount } = this.#socket.progress;
    const silence = Math.floor((Date.now() - lastReceivedAt) / 1000);
    const isLate = this.isOpen && lastReceivedAt > 0 && silence >= LATE_AFTER;
    const parts = [lastReceived(lastReceivedAt, silence)];
    if (isLate) parts.push(`something is due every ${HEARTBEAT} s`);
    if (this.isOpen && this.#state.transport === "long-poll") parts.push(`request ${pollCount} waits`);
    if (this.#retryAt > 0) parts.push(`next try in ${Math.max(0, Math.ceil((this.#retryAt - Date.now()) / 1000))} s`);
    this.#status.toggleAttribute("data-late", isLate);
    setText(this.#text, this.#summary(isLate));
    setText(this.#times, parts.join(" · "));
    setText(this.#cursor, String(cursor ?? "none yet"));
  }
}

function lastReceived(at, silence) {
  if (at === 0) return "nothing heard yet";
  return silence === 0 ? "last heard just now" : `last heard ${silence} s ago`;
}

/** Changes a text only if it is another one: a screen reader reads out each change. */
function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}
