// Polling: ask every second whether there is news.

/** How long to wait after an answer before asking again, in milliseconds. */
const INTERVAL = 1000;
/** How long to wait for an answer before giving it up, in milliseconds. */
const TIMEOUT = 10_000;

/**
 * @param {(snapshot: {version: number, users: {id: number, username: string}[]}) => void} show
 * @param {(state: "connecting" | "open" | "closed", detail?: string) => void} status
 * @returns {() => void} stops watching
 */
export function watchUsers(show, status) {
  let tag = null;
  return poll(status, async (signal) => {
    const headers = tag ? { "If-None-Match": tag } : {};
    const response = await fetch("/users", { headers, signal });
    if (response.status === 304) return;
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    show(await response.json());
    tag = response.headers.get("ETag");
  });
}

/**
 * @param {(time: string) => void} show
 * @param {(state: "connecting" | "open" | "closed", detail?: string) => void} status
 * @returns {() => void} stops watching
 */
export function watchClock(show, status) {
  return poll(status, async (signal) => {
    const response = await fetch("/clock", { signal });
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    show((await response.json()).time);
  });
}

/** Asks again and again. The timer starts anew after each answer, so that polls never overlap: with
 *  `setInterval`, a slow server would be sent more and more of them. */
function poll(status, ask) {
  const stopped = new AbortController();
  let timer;
  async function again() {
    try {
      await ask(AbortSignal.any([stopped.signal, AbortSignal.timeout(TIMEOUT)]));
      if (!stopped.signal.aborted) status("open", "asking every second");
    } catch (error) {
      if (!stopped.signal.aborted) status("closed", `${error.message}, asking again in 1 s`);
    }
    if (!stopped.signal.aborted) timer = setTimeout(again, INTERVAL);
  }
  again();
  return () => {
    stopped.abort();
    clearTimeout(timer);
  };
}
