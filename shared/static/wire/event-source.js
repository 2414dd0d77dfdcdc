// What an EventSource asks for, and the events that come.

import { eventSourceHeaders, streamHeaders } from "/shared/wire/headers.js";
import { add, chunk, computed, inVain, note, request, seen, update } from "/shared/wire/panel.js";

/** The `retry:` with which the stream begins. The browser keeps it to itself. */
const RETRY = "retry: ????\n\n";

window.EventSource = class extends EventSource {
  #url;
  /** The id that the browser names when it asks again. */
  #lastId = "";
  /** The events that somebody listens for. */
  #observed = new Set();
  /** The request that waits for an answer, or whose answer goes on. */
  #crossing;
  #isOpen = false;

  constructor(address, options) {
    super(address, options);
    this.#url = new URL(address, location.href);
    this.#ask();
    super.addEventListener("open", () => this.#opened());
    super.addEventListener("error", () => this.#failed());
    this.#observe("message");
  }

  // An event that nobody listens for is invisible to the page, and so it is here.
  addEventListener(type, ...rest) {
    if (type !== "open" && type !== "error") this.#observe(type);
    super.addEventListener(type, ...rest);
  }

  close() {
    if (this.readyState !== EventSource.CLOSED) note(`GET ${this.#shown}: closed by the page`);
    this.#crossing?.end();
    this.#crossing = null;
    super.close();
  }

  get #shown() {
    return this.#url.pathname + this.#url.search;
  }

  #ask() {
    const id = this.#lastId && `, Last-Event-ID ${this.#lastId}`;
    this.#crossing = request(`GET ${this.#shown}${id}`, [eventSourceHeaders(this.#url, this.#lastId)]);
  }

  #opened() {
    // After a break the browser asks again by itself. The page learns of it when there is an answer.
    if (!this.#crossing) this.#ask();
    this.#crossing.goesOn();
    this.#isOpen = true;
    const parts = [streamHeaders("text/event-stream"), chunk(RETRY.length), computed("First chunk", RETRY)];
    add("down", `GET ${this.#shown} → 200 OK, and it goes on`, parts);
  }

  #failed() {
    const plan = this.readyState === EventSource.CLOSED ? "" : ", the browser will ask again";
    if (!this.#isOpen) {
      if (!this.#crossing) this.#ask();
      inVain();
    }
    note(`GET ${this.#shown}: ${this.#isOpen ? "the answer has ended" : "no answer that the page may see"}${plan}`);
    this.#crossing?.end();
    this.#crossing = null;
    this.#isOpen = false;
  }

  #observe(type) {
    if (this.#observed.has(type)) return;
    this.#observed.add(type);
    super.addEventListener(type, ({ data, lastEventId }) => {
      // An event without an id has that of the one before it.
      const id = lastEventId === this.#lastId ? "" : lastEventId;
      this.#lastId = lastEventId;
      const named = type !== "message";
      const lines = data.split("\n").map((line) => `data: ${line}\n`);
      const text = [id && `id: ${id}\n`, named && `event: ${type}\n`, ...lines, "\n"].filter(Boolean).join("");
      const event = seen("Event", text);
      const name = named ? `event: ${type}` : "event without a name";
      add("down", `${name}${id && `, id ${id}`}`, [chunk(event.bytes), event]);
      if (type !== "ping") update(this.#url.pathname, data);
    });
  }
};
