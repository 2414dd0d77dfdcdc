// Polling: ask every second whether there is news.

/** How long to wait after an answer before asking again, in milliseconds. A person notices that news
 *  is a second late, but is not disturbed by it yet. */
const INTERVAL = 1000;
/** How long to wait for an answer before giving up, in milliseconds. */
const TIMEOUT = 10_000;

/** @typedef {(state: "connecting" | "open" | "closed", detail?: string) => void} Status */

/**
 * Shows the users, now and whenever they have changed.
 * @param {(snapshot: {version: number, users: {id: number, username: string}[]}) => void} show
 * @param {Status} status is told the state of the connection
 * @returns {() => void} stops watching
 */
export function watchUsers(show, status) {
  let tag = null;
  return poll(status, async (signal) => {
    // Without "no-store" the browser's cache would send tags of its own, hide the 304 and hand us the
    // old list as if it were new.
    const headers = tag ? { "If-None-Match": tag } : {};
    const response = await fetch("/users", { headers, cache: "no-store", signal });
    if (response.status === 304) return;
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    show(await response.json());
    tag = response.headers.get("ETag");
  });
}

/**
 * Shows the server's time, now and every second.
 * @param {(time: string) => void} show
 * @param {Status} status is told the state of the connection
 * @returns {() => void} stops watching
 */
export function watchClock(show, status) {
  return poll(status, async (signal) => {
    const response = await fetch("/clock", { signal });
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    show((await response.json()).time);
  });
}

/** Asks again and again. The timer restarts after each answer, so that polls never overlap: with
 *  `setInterval`, a slow server would be sent more and more of them. */
function poll(status, ask) {
  const stopped = new AbortController();
  let timer;
  async function again() {
    let state = ["open", `asking every ${INTERVAL / 1000} s`];
    try {
      await ask(AbortSignal.any([stopped.signal, AbortSignal.timeout(TIMEOUT)]));
    } catch (error) {
      // Each browser has words of its own for a server that does not answer, in a TypeError.
      const reason = error instanceof TypeError ? "no answer" : error.message;
      state = ["closed", `${reason}, asking again in ${INTERVAL / 1000} s`];
    }
    if (stopped.signal.aborted) return;
    status(...state);
    timer = setTimeout(again, INTERVAL);
  }
  again();
  return () => {
    stopped.abort();
    clearTimeout(timer);
  };
}
