// What a hidden iframe asks for, and the scripts that run in it: watched from outside.

import { frameHeaders, streamHeaders } from "/shared/wire/headers.js";
import { add, chunk, computed, inVain, note, request, seen, update } from "/shared/wire/panel.js";

/** How long the start of the document is, in bytes: it is padded with a comment (`iframe-stream/src/main.rs`). */
const START = 1024;

/** What is known of each iframe in the page: its address, its request, and whether that was answered. */
const frames = new Map();

new MutationObserver((changes) => {
  for (const { addedNodes, removedNodes } of changes) {
    for (const node of addedNodes) if (node instanceof HTMLIFrameElement) opened(node);
    for (const node of removedNodes) if (frames.has(node)) removed(node);
  }
}).observe(document.body, { childList: true });

function opened(node) {
  const url = new URL(node.src, location.href);
  const shown = url.pathname + url.search;
  const crossing = request(`GET ${shown}, in an iframe`, [frameHeaders(url)]);
  frames.set(node, { url, shown, crossing, asked: Date.now(), isAnswered: false, end: "taken away by the page" });
}

// While it is caught on its way to the frame: the page may take the frame away when it arrives there.
document.addEventListener("load", ({ target }) => {
  const state = frames.get(target);
  if (state && target.contentDocument) state.end = "the document has ended";
}, { capture: true });

// In the place of a page that it could not load, the browser shows one of its own, which nobody may look into.
// That can be seen for as long as the frame is there, and Firefox has no event for it.
const { remove } = HTMLIFrameElement.prototype;
HTMLIFrameElement.prototype.remove = function () {
  const state = frames.get(this);
  if (state && !this.contentDocument) state.end = "no answer";
  return remove.call(this);
};

function removed(node) {
  const { shown, crossing, isAnswered, end } = frames.get(node);
  frames.delete(node);
  crossing.end();
  if (!isAnswered) inVain();
  note(`GET ${shown}: ${end}`);
}

/** The answer shows when its first script runs. When it came, the frame's own clock tells. */
function answered(node, state) {
  state.isAnswered = true;
  state.crossing.goesOn();
  const { performance } = node.contentWindow;
  const [timing] = performance.getEntriesByType("navigation");
  const came = performance.timeOrigin + (timing?.responseStart ?? 0);
  const parts = [
    streamHeaders("text/html; charset=utf-8"), chunk(START),
    computed("Start of the document", "<!DOCTYPE html>… and a comment of spaces", START),
  ];
  add("down", `GET ${state.shown} → 200 OK, and it goes on`, parts, Math.max(came, state.asked));
}

/** The scripts that were seen: a page that wraps its functions is called once and not twice. */
const scripts = new WeakSet();

/** A script in a frame has called the page's function `name`. */
function called(name) {
  for (const [node, state] of frames) {
    const script = node.contentDocument?.currentScript;
    if (!script || scripts.has(script)) continue;
    scripts.add(script);
    if (!state.isAnswered) answered(node, state);
    const text = seen("Script", `<script nonce="${script.nonce}">${script.textContent}</script>`);
    add("down", name === "alive" ? "script: alive" : `script: ${name}(…)`, [chunk(text.bytes), text]);
    if (name !== "alive") update(state.url.pathname, script.textContent);
  }
}

// client.js gives the page these functions later; whatever it gives is called through `called`.
for (const name of ["setUsers", "setTime", "alive"]) {
  let observed;
  Object.defineProperty(window, name, {
    configurable: true,
    get: () => observed,
    set(own) {
      observed = (...news) => {
        called(name);
        return own(...news);
      };
    },
  });
}
