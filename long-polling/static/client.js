// Long polling: the server holds a request until there is an update.

/** How many seconds the server may hold a request for the users. Some proxies give up after 30. */
const WAIT = 25;
/** How many seconds the server holds a request for the time at most: until the next second begins. */
const CLOCK_WAIT = 1;
/** How much later than that a response may arrive before we give up, in milliseconds. */
const TIMEOUT_MARGIN = 10_000;
/** How long to wait after the first error, in milliseconds. Each further error doubles it. */
const BACK_OFF = 1000;
/** The longest wait after an error, in milliseconds. */
const MAX_BACK_OFF = 30_000;

/** @typedef {(state: "connecting" | "open" | "closed", detail?: string) => void} Status */

/**
 * Shows the users, now and whenever they have changed.
 * @param {(snapshot: {version: number, users: {id: number, username: string}[]}) => void} show
 * @param {Status} status receives the state of the connection
 * @returns {() => void} stops watching
 */
export function watchUsers(show, status) {
  let version = null;
  const url = (wait) => (version ? `/users?wait=${wait}&version=${version}` : `/users?wait=${wait}`);
  return poll(status, WAIT, url, (snapshot) => {
    show(snapshot);
    version = snapshot.version;
  });
}

/**
 * Shows the server's time, now and every second.
 * @param {(time: string) => void} show
 * @param {Status} status receives the state of the connection
 * @returns {() => void} stops watching
 */
export function watchClock(show, status) {
  let shown = "";
  const url = () => `/clock?after=${encodeURIComponent(shown)}`;
  return poll(status, CLOCK_WAIT, url, ({ time }) => {
    show(time);
    shown = time;
  });
}

/** Sends the next request right after each response, and after an error when the back-off is over.
 *  `url` returns the URL for a request that may be held for so many seconds. */
function poll(status, longestWait, url, onUpdate) {
  const stopped = new AbortController();
  let timer;
  let errors = 0;
  async function sendRequest() {
    // After an error the server should respond at once: any response shows that it is back.
    const wait = errors > 0 ? 0 : longestWait;
    const signal = AbortSignal.any([stopped.signal, AbortSignal.timeout(wait * 1000 + TIMEOUT_MARGIN)]);
    try {
      // Without "no-store", the browser lets a second tab wait for the response to the first.
      const response = await fetch(url(wait), { cache: "no-store", signal });
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      if (response.status === 200) onUpdate(await response.json()); // 204 means: no update.
      errors = 0;
      status("open", "waiting for news");
      sendRequest();
    } catch (error) {
      if (stopped.signal.aborted) return;
      const pause = backOff(errors);
      errors += 1;
      // Without a response, `fetch` throws a TypeError, whose text differs from browser to browser.
      const reason = error instanceof TypeError ? "no answer" : error.message;
      status("closed", `${reason}, asking again in ${(pause / 1000).toFixed(1)} s`);
      timer = setTimeout(sendRequest, pause);
    }
  }
  sendRequest();
  return () => {
    stopped.abort();
    clearTimeout(timer);
  };
}

/** Returns how long to wait before the next request, in milliseconds: 1 s, 2 s, 4 s … 30 s, minus a
 *  random part of up to half. So after a restart of the server not all browsers return at once. */
function backOff(errors) {
  return Math.min(BACK_OFF * 2 ** errors, MAX_BACK_OFF) * (1 - Math.random() / 2);
}
