// Runs the lesson's client.js, and checks what it does: a mistake there must not look like a server that is silent.

import * as connection from "/shared/page/connection.js";
import { element } from "/shared/page/dom.js";
import { problem, thrown } from "/shared/page/problems.js";
import { sentence } from "/shared/sentences.js";

/** After this time a watcher that has reported nothing is probably wrong, in milliseconds. */
const FIRST_REPORT = 5000;

const STATES = ["connecting", "open", "closed"];

/** What `show` and `status` need, for the sentences about mistakes. */
const SNAPSHOT = "{ version, users: [{ id, username }] }";
const FACTS = "{ retryIn: 1000 }";

/** Returns whether the page can say something about these facts. A text is shown as it is. */
const areFacts = (facts) =>
  facts === undefined || typeof facts === "string" || Object.getPrototypeOf(facts ?? 0) === Object.prototype;

/** Loads the lesson's client.js. Resolves to what it exports. */
export async function loadClient() {
  try {
    return await import("/static/client.js");
  } catch (error) {
    failed("client.js");
    thrown(error, (text) => sentence("mistake.not-loaded", { error: text }));
    throw error; // The console shows the line of a syntax error, which a page does not learn.
  }
}

/** A function of client.js that a button starts and stops. */
export class Watcher {
  #name;
  #button;
  #functionName;
  #watch;
  #show;
  #isNews;
  #wrongNews;
  /** What stops the function: null while it is off, and anything else if client.js has returned no function. */
  #stop = null;
  /** Grows with each start and stop: what an earlier run reports is ignored. */
  #run = 0;

  /**
   * @param {string} name `users` or `clock`; the button is `#NAME-toggle`
   * @param {string} functionName the name of the function in client.js
   * @param {unknown} watch the function, if client.js exports it
   * @param {(news: unknown) => void} show
   * @param {(news: unknown) => boolean} isNews returns whether the news can be shown
   * @param {string} wrongNews the key of the sentence for what cannot be shown
   */
  constructor(name, functionName, watch, show, isNews, wrongNews) {
    this.#name = name;
    this.#functionName = functionName;
    this.#watch = watch;
    this.#show = show;
    this.#isNews = isNews;
    this.#wrongNews = wrongNews;
    this.#button = element(`${name}-toggle`);
    this.#button.addEventListener("click", () => (this.#stop === null ? this.start() : this.stop()));
  }

  start() {
    this.#run++;
    this.#stop = undefined;
    connection.begin(this.#name);
    const run = this.#run;
    const stop = this.#call(run);
    // It may have been stopped meanwhile, by what it has shown.
    if (run === this.#run) this.#stop = stop;
    this.#showButton();
  }

  stop() {
    const stop = this.#stop;
    if (typeof stop !== "function") {
      this.#problem("mistake.cannot-stop");
      return;
    }
    this.#run++;
    this.#stop = null;
    attempt(stop, (error) => sentence("mistake.in-stop", { function: this.#functionName, error }));
    connection.end(this.#name);
    this.#showButton();
  }

  /** Starts again, because somebody does not want to wait for the next attempt. */
  restart() {
    if (this.#stop === null) return;
    this.stop();
    if (this.#stop === null) this.start();
  }

  get name() {
    return this.#name;
  }

  /** Shows a sentence about the function. */
  #problem(key, values = {}) {
    problem(sentence(key, { function: this.#functionName, ...values }));
  }

  #showButton() {
    this.#button.setAttribute("aria-pressed", this.#stop !== null);
    element(this.#name).classList.toggle("stale", this.#stop === null);
  }

  /** Calls the function, and returns what stops it. */
  #call(run) {
    if (typeof this.#watch !== "function") {
      this.#problem("mistake.not-exported");
      failed(this.#name);
      return () => {};
    }
    let hasReported = false;
    const ifCurrent = (work) => (...news) => {
      hasReported = true;
      if (run === this.#run) work(...news);
    };
    setTimeout(() => {
      if (hasReported || run !== this.#run) return;
      this.#problem("mistake.no-report", { seconds: FIRST_REPORT / 1000 });
    }, FIRST_REPORT);
    const show = ifCurrent((news) => this.#receive(news));
    const status = ifCurrent((state, facts) => this.#report(state, facts));
    const word = (error) => sentence("mistake.in-function", { function: this.#functionName, error });
    const { hasFailed, result } = attempt(() => this.#watch(show, status), word);
    if (hasFailed) {
      hasReported = true;
      failed(this.#name);
      return () => {};
    }
    if (typeof result !== "function") {
      this.#problem("mistake.no-stop", { value: describe(result) });
      return undefined;
    }
    return result;
  }

  #receive(news) {
    if (this.#isNews(news)) this.#show(news);
    else this.#problem(this.#wrongNews, { value: describe(news), shape: SNAPSHOT });
    connection.alive(this.#name);
  }

  #report(state, facts) {
    if (!STATES.includes(state)) {
      this.#problem("mistake.wrong-state", { value: describe(state) });
      return;
    }
    const { retryIn } = facts ?? {};
    if (!areFacts(facts)) this.#problem("mistake.wrong-facts", { value: describe(facts), example: FACTS });
    else if (retryIn !== undefined && !Number.isFinite(retryIn)) this.#problem("mistake.wrong-retry", { value: describe(retryIn) });
    connection.report(this.#name, state, areFacts(facts) ? facts : {});
  }
}

function failed(name) {
  connection.begin(name);
  connection.report(name, "closed", { hasMistake: true });
}

/** Calls a function of client.js, and shows what it throws, with a sentence around it. */
function attempt(work, word) {
  try {
    return { result: work() };
  } catch (error) {
    thrown(error, word);
    console.error(error);
    return { hasFailed: true };
  }
}

/** Describes a value that should have been something else. */
function describe(value) {
  if (value instanceof Promise) return sentence("value.promise");
  if (value instanceof Response) return sentence("value.response");
  if (value instanceof Event) return sentence("value.event");
  if (Array.isArray(value)) return sentence("value.array");
  if (typeof value === "string") return sentence("value.text", { text: JSON.stringify(value.slice(0, 40)) });
  if (typeof value !== "object" || value === null) return String(value);
  const names = Object.keys(value).join(", ");
  return names ? sentence("value.object", { names }) : sentence("value.empty-object");
}
