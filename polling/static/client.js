// Polling: a request every second asks whether something has changed.

/** How long to wait after a response before the next request, in milliseconds. A person notices that
 *  an update is a second late, but is not disturbed by it yet. */
const INTERVAL = 1000;
/** How long to wait for a response before giving up, in milliseconds. */
const TIMEOUT = 10_000;

/** @typedef {(state: "connecting" | "open" | "closed", detail?: string) => void} Status */

/**
 * Shows the users, now and whenever they have changed.
 * @param {(snapshot: {version: number, users: {id: number, username: string}[]}) => void} show
 * @param {Status} status receives the state of the connection
 * @returns {() => void} stops watching
 */
export function watchUsers(show, status) {
  let etag = null;
  return poll(status, async (signal) => {
    // Without "no-store" the browser's cache would add an ETag of its own and turn the 304 into a 200
    // with the stored list. The page would show the same list again and again.
    const headers = etag ? { "If-None-Match": etag } : {};
    const response = await fetch("/users", { headers, cache: "no-store", signal });
    if (response.status === 304) return;
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    show(await response.json());
    etag = response.headers.get("ETag");
  });
}

/**
 * Shows the server's time, now and every second.
 * @param {(time: string) => void} show
 * @param {Status} status receives the state of the connection
 * @returns {() => void} stops watching
 */
export function watchClock(show, status) {
  return poll(status, async (signal) => {
    const response = await fetch("/clock", { signal });
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    show((await response.json()).time);
  });
}

/** Calls `sendRequest` again and again. The timer starts after each response, so polls never overlap.
 *  With `setInterval`, a slow server would get more and more of them. */
function poll(status, sendRequest) {
  const stopped = new AbortController();
  let timer;
  async function pollOnce() {
    let state = "open";
    let detail = `asking every ${INTERVAL / 1000} s`;
    try {
      await sendRequest(AbortSignal.any([stopped.signal, AbortSignal.timeout(TIMEOUT)]));
    } catch (error) {
      // Without a response, `fetch` throws a TypeError, whose text differs from browser to browser.
      const reason = error instanceof TypeError ? "no answer" : error.message;
      state = "closed";
      detail = `${reason}, asking again in ${INTERVAL / 1000} s`;
    }
    if (stopped.signal.aborted) return;
    status(state, detail);
    timer = setTimeout(pollOnce, INTERVAL);
  }
  pollOnce();
  return () => {
    stopped.abort();
    clearTimeout(timer);
  };
}
