// iframe streaming: a hidden iframe that never finishes loading runs one script a piece of news.

/** After how many heartbeats of silence the frame is given up: one may be late, two are not. */
const PATIENCE = 2.5;
/** How often to look whether the frame is still one of this server's, in milliseconds. */
const LOOK = 500;
/** The longest back-off before a new frame, in milliseconds. */
const MAX_BACK_OFF = 30_000;

/** @typedef {(state: "connecting" | "open" | "closed", detail?: string) => void} Status */

/**
 * Shows the users, now and whenever they have changed.
 * @param {(snapshot: {version: number, users: {id: number, username: string}[]}) => void} show
 * @param {Status} status is told the state of the connection
 * @returns {() => void} stops watching
 */
export function watchUsers(show, status) {
  return watch("/users", "setUsers", show, status);
}

/**
 * Shows the server's time, every second.
 * @param {(time: string) => void} show
 * @param {Status} status is told the state of the connection
 * @returns {() => void} stops watching
 */
export function watchClock(show, status) {
  return watch("/clock", "setTime", show, status);
}

/** The frames that are open, each with the function to call when it has said something. */
const frames = new Map();

/** Every frame calls this, and does not say which it is. It is the one whose script is running now. */
window.alive = () => {
  for (const [frame, heard] of frames) if (frame.contentDocument?.currentScript) heard();
};

function watch(path, callback, show, status) {
  // The server puts its heartbeat, in seconds, on the page.
  const silence = PATIENCE * 1000 * Number(document.body.dataset.heartbeat);
  let frame, timer, looking;
  let failures = 0;

  function open() {
    status("connecting", "a new frame");
    frame = document.createElement("iframe");
    frame.hidden = true;
    frame.src = path;
    // While all is well, it never loads to its end. Without a document it is the browser's error page.
    frame.onload = () => fail(frame.contentDocument ? "the frame has ended" : "no server");
    frames.set(frame, heard);
    document.body.append(frame);
    // Firefox has no event for a frame that finds no server.
    looking = setInterval(() => frame.contentDocument ?? fail("no server"), LOOK);
    waitForSound();
  }
  function heard() {
    failures = 0;
    status("open", "the frame is still loading, as it should");
    waitForSound();
  }
  function waitForSound() {
    clearTimeout(timer);
    timer = setTimeout(fail, silence, "nothing was heard"); // A connection that breaks raises no event.
  }
  function fail(reason) {
    close();
    const wait = Math.min(1000 * 2 ** failures++, MAX_BACK_OFF) * (1 - Math.random() / 2);
    status("closed", `${reason}, a new frame in ${(wait / 1000).toFixed(1)} s`);
    timer = setTimeout(open, wait);
  }
  function close() {
    clearTimeout(timer);
    clearInterval(looking);
    frames.delete(frame);
    frame?.remove(); // This also ends its connection.
  }

  window[callback] = (news) => {
    heard();
    show(news);
  };
  // Before the page itself has loaded, the frame would keep it from ever finishing.
  if (document.readyState === "complete") open();
  else window.addEventListener("load", open, { once: true });
  return () => {
    window.removeEventListener("load", open);
    close();
  };
}
