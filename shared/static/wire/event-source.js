// What an EventSource asks for, and the events that it receives.

import { sentence } from "/shared/sentences.js";
import { Exchange } from "/shared/wire/exchange.js";
import { eventSourceHeaders, streamHeaders } from "/shared/wire/headers.js";
import { chunkFraming, estimated, observed } from "/shared/wire/parts.js";
import { isNews } from "/shared/wire/topics.js";

/** What the row of a break says, and the same if the browser is going to ask again. */
const REASONS = {
  ended: ["wire.response-ended", "wire.response-ended-retry"],
  noAnswer: ["wire.no-visible-answer", "wire.no-visible-answer-retry"],
};

/** The `retry:` with which the stream begins. The browser does not show it to the page. */
const RETRY = "retry: ????\n\n";

window.EventSource = class extends EventSource {
  #url;
  /** The id that the browser sends when it reconnects. */
  #lastId = "";
  /** The events that have a listener. */
  #observedTypes = new Set();
  /** @type {Exchange | null} */
  #exchange = null;
  #isOpen = false;

  constructor(address, options) {
    super(address, options);
    this.#url = new URL(address, location.href);
    this.#request();
    super.addEventListener("open", () => this.#onOpen());
    super.addEventListener("error", () => this.#onError());
    this.#observe("message");
  }

  // An event without a listener is invisible to the page, and therefore also here.
  addEventListener(type, ...rest) {
    if (type !== "open" && type !== "error") this.#observe(type);
    super.addEventListener(type, ...rest);
  }

  close() {
    this.#exchange?.end(this.readyState === this.CLOSED ? null : sentence("wire.closed-by-page", { what: this.#what }));
    this.#exchange = null;
    super.close();
  }

  get #what() {
    return `GET ${this.#url.pathname}${this.#url.search}`;
  }

  #request() {
    const [what, id] = [this.#what, this.#lastId];
    const headers = eventSourceHeaders(this.#url, id);
    const title = id ? sentence("wire.last-id", { what, id }) : what;
    this.#exchange = new Exchange(title, [headers], { path: this.#url.pathname });
  }

  #onOpen() {
    // The browser reconnects by itself. The page learns of that request when its response arrives.
    if (!this.#exchange) this.#request();
    this.#isOpen = true;
    const parts = [streamHeaders("text/event-stream"), chunkFraming(RETRY.length), estimated("part.first-chunk", RETRY)];
    this.#exchange.receiveStart(sentence("wire.goes-on", { response: `${this.#what} → 200 OK` }), parts);
  }

  #onError() {
    const [forGood, untilRetry] = this.#isOpen ? REASONS.ended : REASONS.noAnswer;
    const reason = this.readyState === this.CLOSED ? forGood : untilRetry;
    if (!this.#exchange) this.#request();
    if (!this.#isOpen) this.#exchange.withoutNews();
    this.#exchange.break(sentence(reason, { what: this.#what }));
    this.#exchange = null;
    this.#isOpen = false;
  }

  #observe(type) {
    if (this.#observedTypes.has(type)) return;
    this.#observedTypes.add(type);
    super.addEventListener(type, ({ data, lastEventId }) => this.#onEvent(type, data, lastEventId));
  }

  #onEvent(type, data, lastEventId) {
    // An event without an id has that of the event before it.
    const id = lastEventId === this.#lastId ? "" : lastEventId;
    this.#lastId = lastEventId;
    const hasName = type !== "message";
    const lines = data.split("\n").map((line) => `data: ${line}\n`);
    const text = [id && `id: ${id}\n`, hasName && `event: ${type}\n`, ...lines, "\n"].filter(Boolean).join("");
    const event = observed("part.event", text);
    const name = hasName ? `event: ${type}` : sentence("wire.unnamed-event");
    const title = id ? sentence("wire.event-with-id", { event: name, id }) : name;
    const crossing = this.#exchange.receive(title, [chunkFraming(event.bytes), event], { name: type });
    if (isNews(type)) this.#exchange.update(crossing, data);
  }
};
