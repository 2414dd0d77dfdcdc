// What a hidden iframe asks for, and the scripts that run in it: observed from outside.

import { sentence } from "/shared/sentences.js";
import { Exchange } from "/shared/wire/exchange.js";
import { frameHeaders, streamHeaders } from "/shared/wire/headers.js";
import { chunkFraming, estimated, observed } from "/shared/wire/parts.js";

/** The length of the start of the document, in bytes: a comment fills it up (`iframe-stream/src/main.rs`). */
const START_LENGTH = 1024;

/**
 * The iframes in the page, and what is known of each. `end` is the key of what its last row says.
 * @type {Map<HTMLIFrameElement, { url: URL, what: string, exchange: Exchange, end: string | null }>}
 */
const frames = new Map();

new MutationObserver((changes) => {
  for (const { addedNodes, removedNodes } of changes) {
    for (const node of addedNodes) if (node instanceof HTMLIFrameElement) onAdded(node);
    for (const node of removedNodes) if (frames.has(node)) onRemoved(node);
  }
}).observe(document.body, { childList: true });

function onAdded(node) {
  observeFunctions();
  const url = new URL(node.src, location.href);
  const what = `GET ${url.pathname}${url.search}`;
  const exchange = new Exchange(sentence("wire.in-an-iframe", { what }), [frameHeaders(url)], { path: url.pathname });
  frames.set(node, { url, what, exchange, end: null });
}

// Use the capture phase: the page's own `onload` may remove the iframe.
document.addEventListener("load", ({ target }) => {
  const frame = frames.get(target);
  if (frame && target.contentDocument) frame.end = "wire.document-ended";
}, { capture: true });

// Instead of a page that it could not load, the browser shows an error page, into which nobody may look. That can be seen
// only while the frame is in the document, and Firefox has no event for it.
const { remove } = HTMLIFrameElement.prototype;
HTMLIFrameElement.prototype.remove = function () {
  const frame = frames.get(this);
  if (frame && !this.contentDocument) frame.end = "wire.no-answer";
  return remove.call(this);
};

function onRemoved(node) {
  const { what, exchange, end } = frames.get(node);
  frames.delete(node);
  if (exchange.openedAt === null) exchange.withoutNews();
  if (end) exchange.break(sentence(end, { what }));
  else exchange.end(sentence("wire.removed", { what }));
}

/** Reports the response, which shows when its first script runs. The frame's own clock tells when it arrived. */
function reportStart(node, { what, exchange }) {
  const { performance } = node.contentWindow;
  const [timing] = performance.getEntriesByType("navigation");
  const arrived = performance.timeOrigin + (timing?.responseStart ?? 0);
  const parts = [
    streamHeaders("text/html; charset=utf-8"), chunkFraming(START_LENGTH),
    estimated("part.document-start", sentence("part.document"), START_LENGTH),
  ];
  const time = Math.max(arrived, exchange.requestedAt);
  exchange.receiveStart(sentence("wire.goes-on", { response: `${what} → 200 OK` }), parts, { time });
}

/** The scripts that were seen: a page whose function calls another observed one is called once. */
const seenScripts = new WeakSet();

/** Reports the script of a frame that has called the page's function `name`. Without an argument it is a heartbeat. */
function onCall(name, isHeartbeat) {
  for (const [node, frame] of frames) {
    const script = node.contentDocument?.currentScript;
    if (!script || seenScripts.has(script)) continue;
    seenScripts.add(script);
    if (frame.exchange.openedAt === null) reportStart(node, frame);
    const text = observed("part.script", `<script nonce="${script.nonce}">${script.textContent}</script>`);
    const what = sentence("wire.script", { call: isHeartbeat ? `${name}()` : `${name}(…)` });
    const crossing = frame.exchange.receive(what, [chunkFraming(text.bytes), text], { name });
    if (!isHeartbeat) frame.exchange.update(crossing, script.textContent);
  }
}

/** What the browser itself has put on the page. */
const builtIn = new Set(Object.getOwnPropertyNames(window));

/** Observes the functions that client.js has given the page, whatever their names are: a script in a frame calls one of
 *  them. They are there before the frame is, or its script would fail. */
function observeFunctions() {
  for (const name of Object.keys(window)) {
    if (builtIn.has(name) || typeof window[name] !== "function") continue;
    builtIn.add(name);
    observeFunction(name);
  }
}

/** Calls `onCall` before the page's function `name`, also if the page replaces the function. */
function observeFunction(name) {
  let wrapped;
  const wrap = (own) => {
    wrapped = typeof own !== "function" ? own : (...args) => {
      onCall(name, args.length === 0);
      return own(...args);
    };
  };
  wrap(window[name]);
  Object.defineProperty(window, name, { configurable: true, enumerable: true, get: () => wrapped, set: wrap });
}
