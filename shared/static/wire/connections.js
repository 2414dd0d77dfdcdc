// The browser's connections to one server. Over HTTP/1.1 a browser opens six at most, for all its tabs together. A
// further request waits inside the browser until one of the six is free, and no event tells the page. So each request
// that needs a connection holds a lock here (Web Locks API): the tabs of a server see each other's locks, and the
// browser releases the locks of a tab that is closed. What cannot be known: connections of pages without the wire.

/** How many connections a browser opens to one server (Chromium and Firefox). */
export const MAX_CONNECTIONS = 6;

/** How far the clock of the page and that of its timings may differ, in milliseconds. */
const CLOCK_ERROR = 5;

/** The start of the locks' names. */
const PREFIX = "connection ";

/** The requests of this tab, in case the page has no locks: they need HTTPS or this machine (a secure context). */
const own = new Set();

/**
 * Notes that a request needs a connection.
 * @returns {{ isFree: () => Promise<boolean>, release: () => void }} whether fewer than six other requests came before
 *   this one and are still open, and a function to call at the end of the request
 */
export function needConnection() {
  // Locks are compared by their names, so an earlier request has a smaller name.
  const name = `${PREFIX}${Date.now()} ${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  let release;
  const released = new Promise((resolve) => (release = resolve));
  own.add(name);
  navigator.locks?.request(name, () => released);
  return {
    isFree: async () => (await openRequests()).filter((other) => other < name).length < MAX_CONNECTIONS,
    release() {
      own.delete(name);
      release();
    },
  };
}

/** Resolves to the number of requests that have or need a connection, of all tabs. */
export const countOpenRequests = async () => (await openRequests()).length;

async function openRequests() {
  if (!navigator.locks) return [...own];
  const { held } = await navigator.locks.query();
  return held.map((lock) => lock.name).filter((name) => name.startsWith(PREFIX));
}

/**
 * Resolves when the response to a request is complete, to the time at which the request left the browser. The browser
 * measures it (Resource Timing) and tells it only at the end.
 * @param {string} url
 * @param {number} requestedAt when the page asked for it, in milliseconds since 1970
 * @returns {Promise<number>} in milliseconds since 1970
 */
export function whenComplete(url, requestedAt) {
  const since = requestedAt - performance.timeOrigin - CLOCK_ERROR;
  return new Promise((resolve) => {
    const observer = new PerformanceObserver((list) => {
      const timing = list.getEntriesByName(url).find(({ startTime }) => startTime >= since);
      if (!timing) return;
      observer.disconnect();
      resolve(performance.timeOrigin + timing.requestStart);
    });
    observer.observe({ type: "resource", buffered: true });
  });
}
