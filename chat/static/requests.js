// Plain HTTP requests to the chat's server, with a time limit and with errors that say whether to try again.

/** How long to wait for a response, or for a connection to open, in milliseconds. */
export const TIMEOUT = 10_000;

/** The user has sent too much, and has to wait. */
export const TOO_MANY = 429;
/** The 4xx statuses that mean "not now": the same request may succeed later. */
const RETRYABLE = [408, 425, TOO_MANY];
/** The statuses that are about the user and not about the request: the server does not accept the name. */
const AUTH_ERRORS = [401, 403];
/** The status of a response without a body. */
const NO_CONTENT = 204;

/**
 * Why something did not succeed, as facts: reasons.js puts them into words. `code` is `refused` if the server has said
 * no, with this `status` and its own sentence (`error`); a proxy in its place may send anything. The other codes are in
 * reasons.js, with what they need to know.
 * @typedef {{code: string, status?: number, error?: unknown, transport?: string, limit?: number}} Reason
 */

/** A request that did not succeed. Its message is for programmers; `reason` says what people need to know. */
export class RequestError extends Error {
  /**
   * @param {Reason} reason
   * @param {number} [wait] for how many milliseconds the server asks the client to wait, if it does
   */
  constructor(reason, wait) {
    super(`The request has failed: ${JSON.stringify(reason)}`);
    this.reason = reason;
    this.wait = wait;
  }

  /** The status of the response, if one came. */
  get status() {
    return this.reason.status;
  }

  /** Whether the server has replied at all. */
  get isReply() {
    return this.status !== undefined;
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

/** Returns why `error` was thrown. If it is no {@link RequestError}, the page cannot read what has come.
 *  @returns {Reason} */
export function reasonOf(error) {
  return error.reason ?? { code: "not-ours" };
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
    throw new RequestError({ code: error.name === "TimeoutError" ? "no-answer" : "unreachable" });
  }
}

async function readJson(response) {
  const { ok, status, headers } = response;
  if (status === NO_CONTENT) return undefined;
  const json = parse(await response.text());
  if (ok && json !== undefined) return json;
  if (ok) throw new RequestError({ code: "not-ours" });
  const seconds = Number(headers.get("Retry-After"));
  const wait = seconds > 0 ? seconds * 1000 : undefined;
  throw new RequestError({ code: "refused", status, error: json?.error }, wait);
}

/** Parses JSON, and returns `undefined` for anything else: a proxy may respond with a page of its own. */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
