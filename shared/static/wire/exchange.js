// An exchange: a request, its response, and all that follows on the same connection. The files around `fetch`,
// `EventSource` and the like report through it what happens.

import { updateArrived } from "/shared/wire/age.js";
import { needConnection } from "/shared/wire/connections.js";
import { addCrossing, charge, count, isCounted, openExchanges, refresh, tell } from "/shared/wire/panel.js";
import { refreshRow } from "/shared/wire/rows.js";
import { topicOf } from "/shared/wire/topics.js";
import { countRequest, countUpdate, countWithoutNews } from "/shared/wire/totals.js";

/** @typedef {import("/shared/wire/panel.js").Crossing} Crossing */
/** @typedef {import("/shared/wire/parts.js").Part} Part */

/** How long a request may wait for a connection before its row says so, in milliseconds. */
const MAX_QUEUED = 2000;
/** How often to check whether such a request has been sent, in milliseconds. */
const CHECK_INTERVAL = 500;

/** A request and what follows from it. */
export class Exchange {
  /** @type {"queued" | "waiting" | "open" | "ended"} */
  state = "waiting";
  /** When a response began that goes on, in milliseconds since 1970. */
  openedAt = null;
  /** When all was over, in milliseconds since 1970. */
  endedAt = null;
  /** Whether messages can go both ways. */
  isDuplex = false;
  /** Whether it ended against the will of the page. */
  isBroken = false;
  /** Whether the request has had to wait for one of the browser's connections. */
  wasQueued = false;
  /** Whether the request has left the browser. */
  hasLeft = false;
  #connection = null;

  /**
   * @param {string} what in a few words
   * @param {Part[]} parts
   * @param {{ path: string, isOwn?: boolean, isLimited?: boolean }} options the path of the URL; whether the page itself
   *   sends the request, to change something; and whether it needs one of the browser's six connections
   */
  constructor(what, parts, { path, isOwn = false, isLimited = true }) {
    this.path = path;
    this.isOwn = isOwn;
    this.requestedAt = Date.now();
    const cost = isOwn ? "own" : "pending";
    const fields = { exchange: this, direction: "up", kind: "request", state: "waiting", cost };
    this.request = addCrossing({ ...fields, what, parts, isCounted: false });
    openExchanges.add(this);
    tell("exchange", this);
    if (isLimited) this.#awaitConnection();
    else this.left();
  }

  /** Counts the request as soon as it is known that it has left the browser. */
  async #awaitConnection() {
    this.#connection = needConnection();
    while (!this.hasLeft && this.state !== "ended") {
      if (await this.#connection.isFree()) {
        this.left();
        return;
      }
      this.wasQueued = true;
      const waited = Date.now() - this.requestedAt;
      if (waited >= MAX_QUEUED && this.state === "waiting") this.#setState("queued");
      await new Promise((resolve) => setTimeout(resolve, CHECK_INTERVAL));
    }
  }

  /** Counts the request, once. If it had to wait, it left the browser at `time`.
   *  @param {number} time in milliseconds since 1970 */
  left(time = Date.now()) {
    if (this.wasQueued) {
      this.request.time = time;
      refresh(this.request);
    }
    if (this.hasLeft) return;
    this.hasLeft = true;
    countRequest();
    count(this.request);
    refreshRow(this.request);
    if (this.state === "queued") this.#setState("waiting");
  }

  /** Adds something that was received: a response, or a message of a stream.
   *  @returns {Crossing} */
  receive(what, parts, fields = {}) {
    if (!this.hasLeft) this.left();
    const cost = this.#currentCost();
    return addCrossing({ exchange: this, direction: "down", kind: "empty", what, parts, cost, ...fields });
  }

  /** Adds the start of a response that goes on. From now on each message has a price of its own. `isDuplex`: the page
   *  can send messages, too.
   *  @returns {Crossing} */
  receiveStart(what, parts, { time = Date.now(), isDuplex = false } = {}) {
    charge(this.request, "connecting");
    this.isDuplex = isDuplex;
    this.openedAt = time;
    const crossing = this.receive(what, parts, { cost: "connecting", time });
    this.#setState("open");
    return crossing;
  }

  /** Adds a message of the page.
   *  @returns {Crossing} */
  send(what, parts, fields = {}) {
    return addCrossing({ exchange: this, direction: "up", kind: "send", what, parts, cost: "own", ...fields });
  }

  /** Notes that a crossing is an update with this `text`. The price of a response includes that of its request. */
  update(crossing, text) {
    crossing.kind = "news";
    const paid = this.state === "open" ? [crossing] : [this.request, crossing];
    for (const one of paid) charge(one, "updates");
    const topic = topicOf(this.path);
    if (topic && isCounted(crossing)) countUpdate(topic, paid.reduce((sum, { bytes }) => sum + bytes, 0));
    updateArrived(crossing, this.path, text);
    refresh(crossing);
  }

  /** Notes that the request has brought no update; nor has the response, if there is one.
   *  @param {Crossing | null} response */
  withoutNews(response = null) {
    if (this.isOwn) return;
    if (!this.wasQueued && !this.hasLeft) this.left();
    for (const one of [this.request, response]) if (one?.cost === "pending") charge(one, "silence");
    if (this.hasLeft) countWithoutNews();
  }

  /** Ends the exchange as the page wanted. A `sentence` becomes a row. */
  end(sentence = null) {
    this.#finish();
    if (sentence) this.#note(sentence, null);
  }

  /** Ends the exchange against the will of the page, and adds a row with the `sentence`. */
  break(sentence) {
    this.isBroken = true;
    this.#finish();
    this.#note(sentence, "break");
  }

  #note(what, kind) {
    addCrossing({ exchange: this, direction: "note", kind, what, parts: [], cost: "own" });
  }

  #finish() {
    if (this.state === "ended") return;
    if (!this.wasQueued && !this.hasLeft) this.left();
    if (this.request.cost === "pending") charge(this.request, "silence");
    this.endedAt = Date.now();
    openExchanges.delete(this);
    this.#connection?.release();
    this.#setState("ended");
  }

  #setState(state) {
    this.state = state;
    this.request.state = state === "ended" ? null : state;
    refreshRow(this.request);
    tell("exchange", this);
  }

  #currentCost() {
    if (this.isOwn) return "own";
    return this.state === "open" ? "silence" : "pending";
  }
}
