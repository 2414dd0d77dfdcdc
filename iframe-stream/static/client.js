// iframe streaming: a hidden iframe never finishes loading, and runs one script for each update.

/** Opens a document that never ends, in a frame that nobody sees. Each script in it calls a function of this
 *  page, for example `parent.setUsers({…})`. */
function openFrame(path, callback, onUpdate) {
  window[callback] = onUpdate;
  const frame = document.createElement("iframe");
  frame.hidden = true;
  frame.src = path;
  document.body.append(frame);
  return frame;
}

/**
 * Shows the users, now and whenever they have changed.
 * @param {(snapshot: Snapshot) => void} show
 * @param {Status} status
 * @returns {() => void} stops watching
 */
export function watchUsers(show, status) {
  return keepOpen("/users", "setUsers", show, status);
}

/**
 * Shows the server's time, every second.
 * @param {(time: string) => void} show
 * @param {Status} status
 * @returns {() => void} stops watching
 */
export function watchClock(show, status) {
  return keepOpen("/clock", "setTime", show, status);
}

// What makes it robust: a new frame whenever the old one has ended, shows an error page, or is silent.

/** How long a frame may be silent, in milliseconds. A connection that breaks raises no event: only the missing
 *  heartbeats show it. One may be late, but not two. The server writes the time between two, in seconds, into
 *  the page. */
const SILENCE_LIMIT = 2.5 * Number(document.body.dataset.heartbeat) * 1000;
/** How often to check whether the frame shows the browser's error page, in milliseconds. */
const CHECK_INTERVAL = 500;
/** The longest pause before a new frame, in milliseconds. */
const MAX_BACK_OFF = 30_000;

/** @typedef {{version: number, users: {id: number, username: string}[]}} Snapshot */

/** Receives the state of the connection: "open" again at each sign of life from the server. The facts are for
 *  the page, which has a sentence for them. All times are in milliseconds.
 *  @typedef {(state: "connecting" | "open" | "closed", facts?: Facts) => void} Status
 *  @typedef {object} Facts
 *  @property {number} [silence] for how long nothing came
 *  @property {boolean} [hasEnded] whether the document in the frame has ended
 *  @property {boolean} [isUnreachable] whether the browser has found no server
 *  @property {number} [retryIn] the time until the next attempt */

/** The open frames, each with the function to call when one of its scripts has run. */
const openFrames = new Map();

/** The heartbeat. All frames call this same function. The call comes from the frame whose script is
 *  running now, and only that frame has a `currentScript`. */
window.alive = () => {
  for (const [frame, onActivity] of openFrames) if (frame.contentDocument?.currentScript) onActivity();
};

/** Keeps a frame open until the returned function is called. */
function keepOpen(path, callback, show, status) {
  let frame, silence, check, retry, failures = 0;
  const start = () => open();

  function open(facts) {
    close();
    status("connecting", facts);
    frame = openFrame(path, callback, (update) => { onActivity(); show(update); });
    openFrames.set(frame, onActivity);
    // `load` fires when the document has ended, or when the frame shows the browser's error page. The
    // error page belongs to the browser, so `contentDocument` is null. Firefox fires no event for it.
    frame.onload = () => fail(frame.contentDocument ? { hasEnded: true } : { isUnreachable: true });
    check = setInterval(() => { if (!frame.contentDocument) fail({ isUnreachable: true }); }, CHECK_INTERVAL);
    limitSilence();
  }
  function onActivity() {
    failures = 0;
    status("open");
    limitSilence();
  }
  function limitSilence() {
    clearTimeout(silence);
    silence = setTimeout(open, SILENCE_LIMIT, { silence: SILENCE_LIMIT });
  }
  function fail(facts) {
    close();
    // The back-off of lesson 2: 1 s, 2 s, 4 s … 30 s, minus a random part of up to half.
    const pause = Math.min(1000 * 2 ** failures++, MAX_BACK_OFF) * (1 - Math.random() / 2);
    status("closed", { ...facts, retryIn: pause });
    retry = setTimeout(start, pause);
  }
  function close() {
    for (const timer of [silence, check, retry]) clearTimeout(timer);
    openFrames.delete(frame);
    frame?.remove(); // This also closes its connection.
  }

  // A frame that is opened before the page has loaded would keep the page from ever finishing.
  if (document.readyState === "complete") start();
  else window.addEventListener("load", start, { once: true });
  return () => {
    window.removeEventListener("load", start);
    close();
  };
}
