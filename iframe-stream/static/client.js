// iframe streaming: a hidden iframe that never finishes loading runs one script a piece of news.

/** After how many heartbeats without a sound the frame is given up. */
const PATIENCE = 2.5;
/** The longest back-off before a new frame, in milliseconds. */
const MAX_BACK_OFF = 30_000;

/**
 * @param {(snapshot: {version: number, users: {id: number, username: string}[]}) => void} show
 * @param {(state: "connecting" | "open" | "closed", detail?: string) => void} status
 * @returns {() => void} stops watching
 */
export function watchUsers(show, status) {
  return watch("/users", "setUsers", show, status);
}

/**
 * @param {(time: string) => void} show
 * @param {(state: "connecting" | "open" | "closed", detail?: string) => void} status
 * @returns {() => void} stops watching
 */
export function watchClock(show, status) {
  return watch("/clock", "setTime", show, status);
}

/** The frames that are open, each with what to do when one of its scripts has run. */
const frames = new Map();

/** Every frame calls this. The one that means it is the one whose script is running now. */
window.alive = () => {
  for (const [frame, hear] of frames) if (frame.contentDocument?.currentScript) hear();
};

function watch(path, callback, show, status) {
  const silence = PATIENCE * 1000 * document.body.dataset.heartbeat;
  let frame, timer, failures = 0;

  function open() {
    status("connecting", "loading a frame");
    frame = document.createElement("iframe");
    frame.hidden = true;
    frame.src = path;
    frame.onload = () => fail("the frame has ended"); // While all is well, it never does.
    frames.set(frame, hear);
    document.body.append(frame);
    timer = setTimeout(fail, silence, "nothing was heard");
  }
  function hear() {
    failures = 0;
    clearTimeout(timer);
    timer = setTimeout(fail, silence, "nothing was heard");
    status("open", "the frame is still loading, as it should");
  }
  function fail(reason) {
    close();
    const wait = Math.min(1000 * 2 ** failures++, MAX_BACK_OFF) * (1 - Math.random() / 2);
    status("closed", `${reason}, a new frame in ${(wait / 1000).toFixed(1)} s`);
    timer = setTimeout(open, wait);
  }
  function close() {
    clearTimeout(timer);
    frames.delete(frame);
    frame?.remove();
  }

  window[callback] = (news) => {
    hear();
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
