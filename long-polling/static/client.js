// Long polling: ask once, and the answer comes when there is news.

/** For how many seconds the server may hold a request; many a proxy gives up after 30. */
const WAIT = 25;
/** For how many seconds it holds a request for the time, at most. */
const NEXT_SECOND = 1;
/** How much later than that an answer may come before it is given up, in milliseconds. */
const GRACE = 10_000;
/** How long to wait after the first error, in milliseconds; after each further one, twice as long. */
const BACK_OFF = 1000;
/** The longest wait after an error, in milliseconds. */
const MAX_BACK_OFF = 30_000;

/** @typedef {(state: "connecting" | "open" | "closed", detail?: string) => void} Status */

/**
 * Shows the users, now and whenever they have changed.
 * @param {(snapshot: {version: number, users: {id: number, username: string}[]}) => void} show
 * @param {Status} status is told the state of the connection
 * @returns {() => void} stops watching
 */
export function watchUsers(show, status) {
  let seen = "";
  const address = (wait) => `/users?wait=${wait}${seen}`;
  return poll(status, WAIT, address, (snapshot) => {
    show(snapshot);
    seen = `&version=${snapshot.version}`;
  });
}

/**
 * Shows the server's time, now and every second.
 * @param {(time: string) => void} show
 * @param {Status} status is told the state of the connection
 * @returns {() => void} stops watching
 */
export function watchClock(show, status) {
  let seen = "";
  const address = () => `/clock?after=${encodeURIComponent(seen)}`;
  return poll(status, NEXT_SECOND, address, ({ time }) => {
    show(time);
    seen = time;
  });
}

/** Asks again as soon as there is an answer, and after an error only when the back-off is over. */
function poll(status, longestWait, address, hear) {
  const stopped = new AbortController();
  let timer;
  let errors = 0;
  async function ask() {
    // After an error do not let the server wait for news: any answer shows that it is back.
    const wait = errors ? 0 : longestWait;
    const signal = AbortSignal.any([stopped.signal, AbortSignal.timeout(wait * 1000 + GRACE)]);
    try {
      // Without "no-store", the browser lets a second tab wait for the answer to the first.
      const response = await fetch(address(wait), { cache: "no-store", signal });
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      if (response.status === 200) hear(await response.json());
      errors = 0;
      status("open", "waiting for news");
      ask();
    } catch (error) {
      if (stopped.signal.aborted) return;
      const pause = backOff(errors++);
      // Each browser has words of its own for a server that does not answer, in a TypeError.
      const reason = error instanceof TypeError ? "no answer" : error.message;
      status("closed", `${reason}, asking again in ${(pause / 1000).toFixed(1)} s`);
      timer = setTimeout(ask, pause);
    }
  }
  ask();
  return () => {
    stopped.abort();
    clearTimeout(timer);
  };
}

/** 1 s, 2 s, 4 s … 30 s, and up to half of that less: each browser another time, so that after a
 *  restart of the server they do not all come back at once. */
function backOff(errors) {
  return Math.min(BACK_OFF * 2 ** errors, MAX_BACK_OFF) * (1 - Math.random() / 2);
}
