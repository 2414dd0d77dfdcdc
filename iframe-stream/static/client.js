// iframe streaming: a hidden iframe never finishes loading, and runs one script for each update.

/** After how many heartbeats without any script the frame is given up. One may be late, but not two. */
const MISSED_HEARTBEATS = 2.5;
/** How often to check whether the frame shows the browser's error page, in milliseconds. */
const CHECK_INTERVAL = 500;
/** The longest back-off before a new frame, in milliseconds. */
const MAX_BACK_OFF = 30_000;

/** @typedef {(state: "connecting" | "open" | "closed", detail?: string) => void} Status */

/**
 * Shows the users, now and whenever they have changed.
 * @param {(snapshot: {version: number, users: {id: number, username: string}[]}) => void} show
 * @param {Status} status receives the state of the connection
 * @returns {() => void} stops watching
 */
export function watchUsers(show, status) {
  return watch("/users", "setUsers", show, status);
}

/**
 * Shows the server's time, every second.
 * @param {(time: string) => void} show
 * @param {Status} status receives the state of the connection
 * @returns {() => void} stops watching
 */
export function watchClock(show, status) {
  return watch("/clock", "setTime", show, status);
}

/** The open frames, each with the function to call when one of its scripts has run. */
const openFrames = new Map();

/** The heartbeat. All frames call this same function. The call comes from the frame whose script is
 *  running now, and only that frame has a `currentScript`. */
window.alive = () => {
  for (const [frame, onActivity] of openFrames) if (frame.contentDocument?.currentScript) onActivity();
};

/** Opens a frame, and a new one whenever it fails. Its scripts call `window[callback]`. */
function watch(path, callback, show, status) {
  // The server writes the time between two heartbeats, in seconds, into the page.
  const silenceLimit = MISSED_HEARTBEATS * 1000 * Number(document.body.dataset.heartbeat);
  let frame, timer, errorPageCheck, failures = 0;

  function open() {
    status("connecting", "a new frame");
    frame = document.createElement("iframe");
    frame.hidden = true;
    frame.src = path;
    // `load` fires when the document has ended, or when the frame shows the browser's error page. The
    // error page belongs to the browser, so `contentDocument` is null.
    frame.onload = () => fail(frame.contentDocument ? "the frame has ended" : "no server");
    openFrames.set(frame, onActivity);
    document.body.append(frame);
    // Firefox fires no event for an error page.
    errorPageCheck = setInterval(() => { if (!frame.contentDocument) fail("no server"); }, CHECK_INTERVAL);
    restartSilenceTimer();
  }
  function onActivity() {
    failures = 0;
    status("open", "the frame is still loading, as it should");
    restartSilenceTimer();
  }
  function restartSilenceTimer() {
    clearTimeout(timer);
    timer = setTimeout(fail, silenceLimit, "nothing was heard"); // A connection that breaks raises no event.
  }
  function fail(reason) {
    close();
    // The back-off of lesson 2: 1 s, 2 s, 4 s … 30 s, minus a random part of up to half.
    const pause = Math.min(1000 * 2 ** failures, MAX_BACK_OFF) * (1 - Math.random() / 2);
    failures += 1;
    status("closed", `${reason}, a new frame in ${(pause / 1000).toFixed(1)} s`);
    timer = setTimeout(open, pause);
  }
  function close() {
    clearTimeout(timer);
    clearInterval(errorPageCheck);
    openFrames.delete(frame);
    frame?.remove(); // This also closes its connection.
  }

  window[callback] = (update) => {
    onActivity();
    show(update);
  };
  // A frame that is opened before the page has loaded would keep the page from ever finishing.
  if (document.readyState === "complete") open();
  else window.addEventListener("load", open, { once: true });
  return () => {
    window.removeEventListener("load", open);
    close();
  };
}
