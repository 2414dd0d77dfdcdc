// Runs the lesson's client.js, and checks what it does: a mistake there must not look like a server that is silent.

import * as connection from "/shared/page/connection.js";
import { element } from "/shared/page/dom.js";
import { problem, thrown } from "/shared/page/problems.js";

/** After this time a watcher that has reported nothing is probably wrong, in milliseconds. */
const FIRST_REPORT = 5000;

const STATES = ["connecting", "open", "closed"];

/** Loads the lesson's client.js. Resolves to what it exports. */
export async function loadClient() {
  try {
    return await import("/static/client.js");
  } catch (error) {
    failed("client.js");
    thrown(error, "it cannot be loaded");
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
  #complain;
  /** What stops the function: null while it is off, and anything else if client.js has returned no function. */
  #stop = null;
  /** Grows with each start and stop: what an earlier run reports is ignored. */
  #run = 0;

  /**
   * @param {string} name `users` or `clock`; the button is `#NAME-toggle`
   * @param {string} functionName the name of the function in client.js
   * @param {unknown} watch the function, if client.js exports it
   * @param {(news: unknown) => void} show
   * @param {(news: unknown) => string | null} complain returns what is wrong with the news, if anything
   */
  constructor(name, functionName, watch, show, complain) {
    this.#name = name;
    this.#functionName = functionName;
    this.#watch = watch;
    this.#show = show;
    this.#complain = complain;
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
      problem(`${this.#functionName} cannot be stopped, because it has not returned a function for that. Reload the page`);
      return;
    }
    this.#run++;
    this.#stop = null;
    attempt(stop, `the function that ${this.#functionName} has returned`);
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

  #showButton() {
    this.#button.setAttribute("aria-pressed", this.#stop !== null);
    element(this.#name).classList.toggle("stale", this.#stop === null);
  }

  /** Calls the function, and returns what stops it. */
  #call(run) {
    if (typeof this.#watch !== "function") {
      problem(`it does not export a function ${this.#functionName}`);
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
      problem(`${this.#functionName} has called neither show nor status in its first ${FIRST_REPORT / 1000} s`);
    }, FIRST_REPORT);
    const show = ifCurrent((news) => this.#receive(news));
    const status = ifCurrent((state, detail, retryIn) => this.#report(state, detail, retryIn));
    const { hasFailed, result } = attempt(() => this.#watch(show, status), this.#functionName);
    if (hasFailed) {
      hasReported = true;
      failed(this.#name);
      return () => {};
    }
    if (typeof result !== "function") {
      problem(`${this.#functionName} has returned ${describe(result)}. It has to return a function that stops it`);
      return undefined;
    }
    return result;
  }

  #receive(news) {
    const complaint = this.#complain(news);
    if (complaint) problem(`${this.#functionName} has called show with ${complaint}`);
    else this.#show(news);
    connection.alive(this.#name);
  }

  #report(state, detail, retryIn) {
    if (STATES.includes(state)) connection.report(this.#name, state, detail, retryIn);
    else problem(`${this.#functionName} has called status with ${describe(state)}. The states are ${STATES.join(", ")}`);
  }
}

function failed(name) {
  connection.begin(name);
  connection.report(name, "closed", "client.js has an error");
}

/** Calls a function of client.js, and shows what it throws. */
function attempt(work, what) {
  try {
    return { result: work() };
  } catch (error) {
    thrown(error, what);
    console.error(error);
    return { hasFailed: true };
  }
}

/** Describes a value that should have been something else.
 *  @param {unknown} value */
export function describe(value) {
  if (value instanceof Promise) return "a promise: is an await missing?";
  if (value instanceof Response) return "a response: is response.json() missing?";
  if (value instanceof Event) return "an event: is event.data missing?";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "string") return `the text ${JSON.stringify(value.slice(0, 40))}`;
  if (typeof value === "object" && value !== null) return `an object with ${Object.keys(value).join(", ") || "nothing in it"}`;
  return String(value);
}
