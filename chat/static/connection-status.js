// Shows the state of the connection, how long ago the server sent something, and when the next attempt begins.

import { sentence } from "/shared/sentences.js";
import { element } from "./elements.js";
import { withNames } from "./names.js";
import { inWords } from "./reasons.js";
import { HEARTBEAT } from "./transports.js";

/** How often the times are brought up to date, in milliseconds. */
const TICK_MS = 250;
/** After how many seconds of silence the server is late: something is due every heartbeat. */
const LATE_AFTER = HEARTBEAT + 2;

/** What each transport does while it is open, in words that show the difference. */
const KINDS = {
  websocket: "status.kind-websocket",
  sse: "status.kind-sse",
  "long-poll": "status.kind-long-poll",
};
/** What the page says while it opens one. */
const ATTEMPTS = {
  websocket: "status.connecting-over-websocket",
  sse: "status.connecting-over-sse",
  "long-poll": "status.connecting-over-long-poll",
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
  /** @type {State["why"]} why the last attempt has failed, until a connection opens */
  #why;
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
    this.#why = state.state === "open" ? undefined : (state.why ?? this.#why);
    this.#retryAt = state.wait === undefined ? 0 : Date.now() + state.wait;
    this.#status.dataset.state = state.state;
    this.#status.dataset.transport = state.transport;
    this.#status.dataset.retryAt = this.#retryAt; // For the timeline.
    this.#kind.textContent = this.isOpen ? sentence(KINDS[state.transport]) : "";
    this.#tick();
    // A button that disappears would take the focus with it.
    if (this.#retryAt === 0 && document.activeElement === this.#retry) this.#status.focus();
    this.#retry.hidden = this.#retryAt === 0;
  }

  #summary(isLate) {
    const { state, transport } = this.#state;
    let summary = sentence(isLate ? "status.silent" : "status.connected");
    if (state === "connecting") summary = sentence(ATTEMPTS[transport]);
    if (state === "closed") summary = sentence("status.not-connected");
    if (this.#why === undefined) return [summary];
    return withNames("status.with-reason", { state: new Text(summary), reason: inWords(this.#why) });
  }

  #tick() {
    const { cursor, lastReceivedAt, pollCount } = this.#socket.progress;
    const silence = Math.floor((Date.now() - lastReceivedAt) / 1000);
    const isLate = this.isOpen && lastReceivedAt > 0 && silence >= LATE_AFTER;
    const parts = [lastReceived(lastReceivedAt, silence)];
    if (isLate) parts.push(sentence("status.is-due", { seconds: HEARTBEAT }));
    const isPolling = this.isOpen && this.#state.transport === "long-poll";
    if (isPolling) parts.push(sentence("status.request-waits", { count: pollCount }));
    if (this.#retryAt > 0) parts.push(nextTry(this.#retryAt));
    this.#status.toggleAttribute("data-late", isLate);
    setText(this.#text, ...this.#summary(isLate));
    setText(this.#times, parts.join(" · "));
    setText(this.#cursor, String(cursor ?? sentence("settings.no-cursor-yet")));
  }
}

function lastReceived(at, silence) {
  if (at === 0) return sentence("status.nothing-yet");
  return silence === 0 ? sentence("status.just-now") : sentence("status.seconds-ago", { seconds: silence });
}

function nextTry(at) {
  const seconds = Math.max(0, Math.ceil((at - Date.now()) / 1000));
  return sentence("status.next-try", { seconds });
}

/** Changes a text only if it is another one: a screen reader reads out each change. */
function setText(target, ...parts) {
  const line = document.createElement("span");
  line.append(...parts);
  if (target.textContent !== line.textContent) target.replaceChildren(...line.childNodes);
}
