// What an EventSource asks for, and the events that it receives.

import { Exchange } from "/shared/wire/exchange.js";
import { eventSourceHeaders, streamHeaders } from "/shared/wire/headers.js";
import { chunkFraming, estimated, observed } from "/shared/wire/parts.js";
import { isNews } from "/shared/wire/topics.js";

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
    this.#exchange?.end(this.readyState === this.CLOSED ? null : `${this.#what}: closed by the page`);
    this.#exchange = null;
    super.close();
  }

  get #what() {
    return `GET ${this.#url.pathname}${this.#url.search}`;
  }

  #request() {
    const id = this.#lastId && `, Last-Event-ID ${this.#lastId}`;
    const headers = eventSourceHeaders(this.#url, this.#lastId);
    this.#exchange = new Exchange(`${this.#what}${id}`, [headers], { path: this.#url.pathname });
  }

  #onOpen() {
    // The browser reconnects by itself. The page learns of that request when its response arrives.
    if (!this.#exchange) this.#request();
    this.#isOpen = true;
    const parts = [streamHeaders("text/event-stream"), chunkFraming(RETRY.length), estimated("First chunk", RETRY)];
    this.#exchange.receiveStart(`${this.#what} → 200 OK, and it goes on`, parts);
  }

  #onError() {
    const plan = this.readyState === this.CLOSED ? "" : ", the browser will ask again";
    const reason = this.#isOpen ? "the response has ended" : "no answer that the page may see";
    if (!this.#exchange) this.#request();
    if (!this.#isOpen) this.#exchange.withoutNews();
    this.#exchange.break(`${this.#what}: ${reason}${plan}`);
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
    const event = observed("Event", text);
    const title = `${hasName ? `event: ${type}` : "event without a name"}${id && `, id ${id}`}`;
    const crossing = this.#exchange.receive(title, [chunkFraming(event.bytes), event], { name: type });
    if (isNews(type)) this.#exchange.update(crossing, data);
  }
};
