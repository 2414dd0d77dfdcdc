// Long polling: ask once, and the answer comes when there is news.

/** For how many seconds the server may keep a request. */
const WAIT = 25;
/** How much longer an answer may take before it is given up, in milliseconds. */
const GRACE = 10_000;
/** The longest back-off after errors, in milliseconds. */
const MAX_BACK_OFF = 30_000;

/**
 * @param {(snapshot: {version: number, users: {id: number, username: string}[]}) => void} show
 * @param {(state: "connecting" | "open" | "closed", detail?: string) => void} status
 * @returns {() => void} stops watching
 */
export function watchUsers(show, status) {
  let address = "/users";
  return poll(() => address, status, (snapshot) => {
    address = `/users?version=${snapshot.version}&wait=${WAIT}`;
    show(snapshot);
  });
}

/**
 * @param {(time: string) => void} show
 * @param {(state: "connecting" | "open" | "closed", detail?: string) => void} status
 * @returns {() => void} stops watching
 */
export function watchClock(show, status) {
  let address = "/clock";
  return poll(() => address, status, ({ time }) => {
    address = `/clock?after=${encodeURIComponent(time)}`;
    show(time);
  });
}

/** Asks again as soon as there is an answer, and after an error only when the back-off is over. */
function poll(address, status, hear) {
  const stopped = new AbortController();
  let timer, errors = 0;

  async function ask() {
    try {
      const patience = AbortSignal.timeout(WAIT * 1000 + GRACE);
      const response = await fetch(address(), { signal: AbortSignal.any([stopped.signal, patience]) });
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      if (response.status === 200) hear(await response.json());
      errors = 0;
      if (stopped.signal.aborted) return;
      status("open", "waiting for news");
      ask();
    } catch (error) {
      if (stopped.signal.aborted) return;
      const wait = backOff(errors++);
      status("closed", `${error.message}, asking again in ${(wait / 1000).toFixed(1)} s`);
      timer = setTimeout(ask, wait);
    }
  }

  ask();
  return () => {
    stopped.abort();
    clearTimeout(timer);
  };
}

/** 1 s, 2 s, 4 s … 30 s, and up to half of it less, so that after a restart of the server not all
 *  clients come back in the same moment. */
function backOff(errors) {
  return Math.min(1000 * 2 ** errors, MAX_BACK_OFF) * (1 - Math.random() / 2);
}
