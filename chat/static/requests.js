// Plain HTTP requests to the chat's server, with a time limit and with errors that say whether to try again.

import { NOT_OURS, NO_ANSWER, UNREACHABLE, sentenceFor } from "./sentences.js";

/** How long to wait for a response, or for a connection to open, in milliseconds. */
export const TIMEOUT = 10_000;

/** The 4xx statuses that mean "not now": the same request may succeed later. */
const RETRYABLE = [408, 425, 429];
/** The statuses that are about the user and not about the request: the server does not accept the name. */
const AUTH_ERRORS = [401, 403];
/** The status of a response without a body. */
const NO_CONTENT = 204;

/** A request that did not succeed. Its message is a sentence for people. */
export class RequestError extends Error {
  /**
   * @param {string} message
   * @param {{status?: number, wait?: number}} [details] `status`: of the response, if one came; `wait`: for how
   *   many milliseconds the server asks the client to wait, if it does
   */
  constructor(message, { status, wait } = {}) {
    super(message);
    this.status = status;
    this.wait = wait;
  }

  /** Whether the server has replied at all. */
  get isReply() {
    return this.status !== undefined || this.wait !== undefined;
  }

  /** Whether the same request would fail again. */
  get isFinal() {
    return this.status >= 400 && this.status < 500 && !RETRYABLE.includes(this.status);
  }

  /** Whether the server refuses this user, whatever the request. */
  get isAboutUser() {
    return AUTH_ERRORS.includes(this.status);
  }
}

/**
 * Sends a request and returns the JSON of the response.
 * @param {string} path
 * @param {{token?: string, body?: object, signal?: AbortSignal}} [options] `token`: of the user; `body`: is posted
 *   as JSON, and without it the request is a GET; `signal`: ends the request, instead of the time limit
 * @returns {Promise<any>}
 * @throws {RequestError} if the server cannot be reached or responds with an error
 */
export async function request(path, { token, body, signal = AbortSignal.timeout(TIMEOUT) } = {}) {
  const options = { method: "GET", headers: {}, signal, cache: "no-store" };
  if (token) options.headers.Authorization = `Bearer ${token}`;
  if (body) {
    options.method = "POST";
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  try {
    return await readJson(await fetch(path, options));
  } catch (error) {
    if (error instanceof RequestError) throw error;
    throw new RequestError(error.name === "TimeoutError" ? NO_ANSWER : UNREACHABLE);
  }
}

async function readJson(response) {
  const { ok, status, headers } = response;
  if (status === NO_CONTENT) return undefined;
  const json = parse(await response.text());
  if (ok && json !== undefined) return json;
  if (ok) throw new RequestError(NOT_OURS);
  const seconds = Number(headers.get("Retry-After"));
  const wait = seconds > 0 ? seconds * 1000 : undefined;
  throw new RequestError(sentenceFor(status, json?.error), { status, wait });
}

/** Parses JSON, and returns `undefined` for anything else: a proxy may respond with a page of its own. */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
