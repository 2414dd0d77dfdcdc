// One lesson: its frame, which reports what crosses the network, and its row of the table.

import { sentence } from "/shared/sentences.js";
import { groupedText } from "/shared/wire/numbers.js";

/** The user that a change adds. */
const USERNAME = "One change";

/** How often to ask a frame for reports that does not answer yet, in milliseconds. */
const SUBSCRIBE_INTERVAL = 100;

/** How long a server may take to answer, in milliseconds. */
const ANSWER_LIMIT = 5000;

/** A lesson in its frame. The frame shows a page of another origin, so it can be reached only by messages; those that it
 *  understands are in `shared/static/timeline/report.js`. */
export class Lesson {
  /** What is wrong, as a sentence, or "". */
  problem = "";
  /** Resolves when the news of the current change has arrived. */
  news = Promise.resolve();

  #row;
  #frame;
  #origin;
  #title;
  #isSubscribed = false;
  /** The newest totals of the frame, or null. */
  #totals = null;
  /** The totals at the start of the silence, or null. */
  #totalsBefore = null;
  /** When the change was asked for whose news has not arrived, or null. */
  #changeTime = null;
  /** The address of the user that the last change has added, or null. */
  #user = null;
  #hasConnected = () => {};
  #hasNews = () => {};
  #figures = new Map();
  /** Resolves when the frame has shown its first list of users. */
  connected = new Promise((resolve) => (this.#hasConnected = resolve));

  /**
   * @param {HTMLTableRowElement} row
   * @param {HTMLIFrameElement} frame its address is in `data-src`: it is loaded only now, when somebody listens
   */
  constructor(row, frame) {
    this.#row = row;
    this.#frame = frame;
    this.#title = row.querySelector("th").textContent;
    this.#origin = new URL(frame.dataset.src).origin;
    addEventListener("message", ({ source, origin, data }) => {
      if (source === frame.contentWindow && origin === this.#origin) this.#receive(data);
    });
    frame.src = frame.dataset.src;
    this.#subscribe();
  }

  /** Asks for reports until the first one arrives. The frame's `load` event would be no sign that it can answer: in
   *  lesson 3 a page contains a document that never finishes loading. */
  async #subscribe() {
    while (!this.#isSubscribed) {
      // For any origin, because the frame still has an empty page at first. The message is no secret.
      this.#frame.contentWindow.postMessage({ type: "subscribe" }, "*");
      await new Promise((resolve) => setTimeout(resolve, SUBSCRIBE_INTERVAL));
    }
  }

  #receive(message) {
    this.#isSubscribed = true;
    if (message.type === "totals") {
      this.#totals = message.totals;
      if (message.totals?.updates > 0) this.#hasConnected();
    } else if (message.type === "update") this.#receiveUpdate(message);
  }

  /** Shows the first update that has arrived after the change. */
  #receiveUpdate({ time, requests, bytes }) {
    if (this.#changeTime === null || time < this.#changeTime) return;
    this.#show("delay", time - this.#changeTime);
    this.#show("requests", requests);
    this.#show("bytes", bytes);
    this.#changeTime = null;
    this.#hasNews();
  }

  /** Empties the row, and waits for the news of a change that was asked for at `time`.
   *  @param {number} time in milliseconds since 1970 */
  begin(time) {
    this.problem = "";
    for (const cell of this.#row.querySelectorAll("[data-figure]")) this.#show(cell.dataset.figure, null);
    this.#changeTime = time;
    this.news = new Promise((resolve) => (this.#hasNews = resolve));
    if (this.#isSubscribed) this.#frame.contentWindow.postMessage({ type: "change", time }, this.#origin);
  }

  /** Stops to wait for the news. */
  giveUp() {
    if (this.#changeTime === null) return;
    this.#changeTime = null;
    this.problem ||= this.#sentence("compare.no-news");
  }

  /** Adds the user. */
  async addUser() {
    const headers = { "Content-Type": "application/json" };
    const user = await this.#request("/users", { method: "POST", headers, body: JSON.stringify({ username: USERNAME }) });
    if (user !== null) this.#user = `/users/${JSON.parse(user).id}`;
  }

  /** Removes the user that was added last. */
  async removeUser() {
    if (this.#user === null) {
      this.#fail(this.#sentence("compare.nothing-to-remove"));
      return;
    }
    await this.#request(this.#user, { method: "DELETE" });
    this.#user = null;
  }

  /** Sends a request, and resolves to the body of the response, or to null if the request has failed. */
  async #request(path, options) {
    try {
      const response = await fetch(this.#origin + path, { ...options, signal: AbortSignal.timeout(ANSWER_LIMIT) });
      if (response.ok) return await response.text();
      this.#fail(this.#sentence("compare.status", { status: response.status }));
    } catch (error) {
      const isLate = error.name === "TimeoutError";
      this.#fail(this.#sentence(isLate ? "compare.no-answer" : "compare.unreachable"));
    }
    return null;
  }

  /** Notes that there is no change, so that nobody waits for its news. */
  #fail(problem) {
    this.problem = problem;
    this.#changeTime = null;
    this.#hasNews();
  }

  /** Notes that the frame has shown no list in time. */
  giveUpConnecting() {
    if (!(this.#totals?.updates > 0)) this.problem = this.#sentence("compare.no-list");
  }

  /** Counts the silence from now on. */
  beginSilence() {
    this.#totalsBefore = this.#totals;
  }

  /** Shows what has crossed the network since `beginSilence`. */
  showSilence() {
    if (this.problem !== "" || this.#totals === null || this.#totalsBefore === null) return;
    this.#show("silence-requests", this.#totals.requests - this.#totalsBefore.requests);
    this.#show("silence-bytes", this.#totals.all - this.#totalsBefore.all);
  }

  /** Returns a figure, or null if there is none.
   *  @param {string} name as in `data-figure` */
  figure(name) {
    return this.#figures.get(name) ?? null;
  }

  /** Shows a figure as a part of the largest one, as a bar.
   *  @param {string} name
   *  @param {number} largest */
  showShare(name, largest) {
    const share = largest > 0 ? (this.figure(name) ?? 0) / largest : 0;
    this.#cell(name).style.setProperty("--share", share);
  }

  #show(name, number) {
    this.#figures.set(name, number);
    this.#cell(name).textContent = number === null ? "–" : groupedText(number);
    this.#cell(name).style.setProperty("--share", 0);
  }

  /** Returns a sentence about this lesson. */
  #sentence(key, values = {}) {
    return sentence(key, { title: this.#title, ...values });
  }

  #cell(name) {
    return this.#row.querySelector(`[data-figure="${name}"]`);
  }
}
