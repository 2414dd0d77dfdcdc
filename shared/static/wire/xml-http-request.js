// What an XMLHttpRequest sends and receives: how pages asked for news before `fetch`.

import { sentence } from "/shared/sentences.js";
import { Exchange } from "/shared/wire/exchange.js";
import { fetchHeaders } from "/shared/wire/headers.js";
import { observed } from "/shared/wire/parts.js";
import { reportBody } from "/shared/wire/responses.js";

/** What the row says about a request that ended without a response, for each event that may come. */
const REASONS = { abort: "wire.given-up", timeout: "wire.timed-out", error: "wire.no-answer" };

window.XMLHttpRequest = class extends XMLHttpRequest {
  #method = "GET";
  #url;
  #headers = new Headers();
  #exchange;

  open(method, url, ...rest) {
    super.open(method, url, ...rest);
    this.#method = method.toUpperCase();
    this.#url = new URL(url, location.href);
    this.#headers = new Headers();
  }

  setRequestHeader(name, value) {
    super.setRequestHeader(name, value);
    this.#headers.append(name, value);
  }

  send(body = null) {
    const text = typeof body === "string" || body instanceof URLSearchParams ? observed("part.body", String(body)) : null;
    const request = { method: this.#method, url: this.#url, headers: this.#headers, cache: "default" };
    const parts = [fetchHeaders(request, text?.bytes ?? null), ...(text ? [text] : [])];
    const isOwn = this.#method !== "GET";
    this.#exchange = new Exchange(this.#what, parts, { path: this.#url.pathname, isOwn });
    super.addEventListener("load", () => this.#finished(), { once: true });
    for (const type of Object.keys(REASONS)) super.addEventListener(type, () => this.#failed(type), { once: true });
    super.send(body);
  }

  get #what() {
    return `${this.#method} ${this.#url.pathname}${this.#url.search}`;
  }

  #finished() {
    const lines = super.getAllResponseHeaders(); // Each with its line end.
    const headers = observed("part.headers", `HTTP/1.1 ${this.status} ${this.statusText}\r\n${lines}\r\n`);
    const what = `${this.#what} → ${this.status} ${this.statusText}`;
    const crossing = this.#exchange.receive(what, [headers], { name: String(this.status) });
    reportBody(this.#exchange, crossing, this.status, this.#body());
  }

  /** Returns the body if the page asked for text. */
  #body() {
    return ["", "text"].includes(this.responseType) ? this.responseText : "";
  }

  #failed(type) {
    if (this.#exchange.state === "ended") return;
    this.#exchange.withoutNews();
    const end = sentence(REASONS[type], { what: this.#what });
    if (type === "abort") this.#exchange.end(end);
    else this.#exchange.break(end);
  }
};
