// The wire: shows what client.js and the server send each other. It puts itself around `fetch`, `EventSource`
// and `WebSocket` before client.js is loaded, and watches iframes from outside; client.js knows nothing of it.

import {
  answerHeadOf, eventSourceHead, eventStreamHead, fetchHead, frameAnswerHead, frameHead, handshakeAnswerHead, handshakeHead,
} from "/shared/wire/heads.js";
import { add, changed, computes, inVain, request, seen, update } from "/shared/wire/panel.js";

const absolute = (address) => new URL(address, location.href);
const shown = (url) => `${url.pathname}${url.search}`;

// Polling and long polling.

const realFetch = window.fetch;
/** The last body at each path: an answer that repeats it is no news. */
const last = new Map();

window.fetch = async (resource, options = {}) => {
  const asked = new Request(resource, { ...options, signal: undefined });
  const url = new URL(asked.url);
  const what = `${asked.method} ${shown(url)}`;
  const body = typeof options.body === "string" ? [seen("Body", options.body)] : [];
  const time = Date.now();
  const answered = request(what, [computes("Head", fetchHead(asked, body[0]?.bytes ?? null)), ...body]);
  try {
    const response = await realFetch.call(window, resource, options);
    const reading = readAnswer(response.clone(), what, url.pathname, asked.method, time).finally(answered);
    // Before whatever client.js makes of it. A body of unknown length may be a stream, which it reads as it comes.
    if (!response.headers.has("transfer-encoding")) await reading;
    return response;
  } catch (error) {
    answered();
    const reason = { AbortError: "given up by the page", TimeoutError: "given up after a time" }[error.name];
    add("note", `${what}: ${reason ?? "no answer"}`);
    if (asked.method === "GET") inVain();
    throw error;
  }
};

async function readAnswer(response, what, path, method, time) {
  const head = seen("Head", answerHeadOf(response));
  const text = await response.text().catch(() => "");
  add("down", `${what} → ${response.status}`, text ? [head, seen("Body", text)] : [head]);
  if (method !== "GET") {
    if (response.ok && path.startsWith("/users")) changed(time);
  } else if (response.status === 200 && last.get(path) !== text) {
    last.set(path, text);
    update(path, text);
  } else inVain();
}

// Server-Sent Events.

/** A chunk's length in hexadecimal and two line ends (RFC 9112 §7.1). */
function chunk(bytes) {
  const length = bytes.toString(16).toUpperCase();
  return computes("Chunk around it", `${length}\\r\\n … \\r\\n`, length.length + 4);
}

/** The `retry:` with which the stream begins. The browser keeps it to itself. */
const RETRY = "retry: ????\n\n";

window.EventSource = class extends EventSource {
  #url;
  #lastId = "";
  #heard = new Set();
  #answered;

  constructor(address, options) {
    super(address, options);
    this.#url = absolute(address);
    this.#answered = this.#ask();
    super.addEventListener("open", () => this.#open());
    super.addEventListener("error", () => this.#error());
    this.#hear("message");
  }

  // An event that nobody listens for is invisible to the page, and so it is here.
  addEventListener(type, ...rest) {
    if (type !== "open" && type !== "error") this.#hear(type);
    super.addEventListener(type, ...rest);
  }

  close() {
    if (this.readyState !== EventSource.CLOSED) add("note", `EventSource ${shown(this.#url)} closed by the page`);
    this.#answered?.();
    super.close();
  }

  #ask() {
    return request(`GET ${shown(this.#url)}`, [computes("Head", eventSourceHead(this.#url, this.#lastId))]);
  }

  #open() {
    // After a break the browser asks again by itself. The page learns of it when there is an answer.
    this.#answered ??= this.#ask();
    this.#answered();
    this.#answered = null;
    const parts = [computes("Head", eventStreamHead()), chunk(RETRY.length), computes("First chunk", RETRY)];
    add("down", `GET ${shown(this.#url)} → 200, and it goes on`, parts);
  }

  #error() {
    const again = this.readyState === EventSource.CLOSED ? "" : ", the browser will ask again";
    if (this.#answered) inVain();
    this.#answered?.();
    this.#answered = null;
    add("note", `GET ${shown(this.#url)}: ended${again}`);
  }

  #hear(type) {
    if (this.#heard.has(type)) return;
    this.#heard.add(type);
    super.addEventListener(type, ({ data, lastEventId }) => {
      // An event without an id has that of the one before it.
      const id = lastEventId === this.#lastId ? "" : lastEventId;
      this.#lastId = lastEventId;
      const lines = data.split("\n").map((line) => `data: ${line}\n`);
      const text = [id && `id: ${id}\n`, type !== "message" && `event: ${type}\n`, ...lines, "\n"].filter(Boolean).join("");
      const event = seen("Event", text);
      add("down", `event: ${type}${id && `, id ${id}`}`, [chunk(event.bytes), event]);
      if (type !== "ping") update(this.#url.pathname, data);
    });
  }
};

// WebSocket.

/** A frame as parts: its head (RFC 6455 §5.2) and what it carries. What a client sends is masked. */
function frame(opcode, body, isMasked) {
  const { bytes } = body;
  const length = bytes < 126 ? [bytes] : bytes < 65_536 ? [126, bytes >> 8, bytes & 255] : [127, "…"];
  const extended = bytes < 126 ? 0 : bytes < 65_536 ? 2 : 8;
  if (isMasked) length[0] |= 128;
  const hex = [128 | opcode, ...length].map((byte) => (byte.toString(16)).padStart(2, "0"));
  const mask = isMasked ? " + 4 random bytes that mask what follows" : "";
  return [computes("Frame head", hex.join(" ") + mask, 2 + extended + (isMasked ? 4 : 0)), body];
}

/** What a message carries: text, or bytes, of which the page shows how many. */
function payload(data) {
  if (typeof data === "string") return seen("Text", data);
  const bytes = data.size ?? data.byteLength;
  return seen("Bytes", `${bytes} bytes`, bytes);
}

const TEXT = 1, BINARY = 2, CLOSE = 8;
const kind = (data) => (typeof data === "string" ? "text frame" : "binary frame");
const opcode = (data) => (typeof data === "string" ? TEXT : BINARY);

window.WebSocket = class extends WebSocket {
  #url;
  #closing = false;

  constructor(address, ...rest) {
    super(address, ...rest);
    this.#url = absolute(address);
    const what = `GET ${shown(this.#url)}`;
    const answered = request(`${what}, upgrade`, [computes("Head", handshakeHead(this.#url))]);
    let isOpen = false;
    this.addEventListener("open", () => {
      isOpen = true;
      answered();
      add("down", `${what} → 101, a WebSocket`, [computes("Head", handshakeAnswerHead())]);
    });
    this.addEventListener("message", ({ data }) => {
      add("down", `${kind(data)}, ${this.#url.pathname}`, frame(opcode(data), payload(data), false));
      if (!isError(data)) update(this.#url.pathname, String(data));
    });
    this.addEventListener("close", ({ code, reason }) => {
      answered();
      if (!isOpen) inVain();
      if (code === 1006) add("note", `${what}: ended without a Close frame`);
      else this.#closed(code, reason);
    });
  }

  send(data) {
    super.send(data);
    add("up", `${kind(data)}, ${this.#url.pathname}`, frame(opcode(data), payload(data), true));
  }

  close(code, reason = "") {
    if (this.readyState === WebSocket.OPEN) {
      this.#closing = true;
      add("up", `Close frame${code ? ` ${code}` : ""}, ${this.#url.pathname}`, closeFrame(code, reason, true));
    }
    super.close(...(code ? [code, reason] : []));
  }

  #closed(code, reason) {
    const sent = code === 1005 ? undefined : code;
    add("down", `Close frame${sent ? ` ${sent}` : ""}, ${this.#url.pathname}`, closeFrame(sent, reason, false));
    if (!this.#closing) add("up", `Close frame, ${this.#url.pathname}: the browser's echo`, closeFrame(sent, reason, true));
  }
};

function closeFrame(code, reason, isMasked) {
  const text = code ? `${code} ${reason}`.trim() : "";
  return frame(CLOSE, computes("Close code and reason", text, code ? 2 + new TextEncoder().encode(reason).length : 0), isMasked);
}

/** Whether a message says that what was sent is refused. */
function isError(data) {
  try {
    return JSON.parse(data).event === "error";
  } catch {
    return false;
  }
}

// The hidden iframe.

/** The document's head, padded with a comment (`iframe-stream/src/main.rs`). */
const FRAME_HEAD = 1024;

/** What is known of each iframe: its address, and what to call when it has been answered. */
const frames = new Map();

new MutationObserver((changes) => {
  for (const { addedNodes, removedNodes } of changes) {
    for (const node of addedNodes) if (node instanceof HTMLIFrameElement) opened(node);
    for (const node of removedNodes) if (frames.has(node)) gone(node);
  }
}).observe(document.body, { childList: true });

function opened(node) {
  const url = absolute(node.src);
  const answered = request(`GET ${shown(url)}, in an iframe`, [computes("Head", frameHead(url))]);
  frames.set(node, { url, answered, isAnswered: false });
  node.addEventListener("load", () => {
    if (!frames.has(node)) return;
    const has = node.contentDocument ? "the document has ended" : "no answer";
    add("note", `GET ${shown(url)}: ${has}`);
  });
}

function gone(node) {
  const { url, answered, isAnswered } = frames.get(node);
  frames.delete(node);
  answered();
  if (!isAnswered) inVain();
  add("note", `iframe ${shown(url)} taken away by the page`);
}

/** The answer is seen when its first script runs. When it came, the frame's own clock tells. */
function answer(node, nonce) {
  const state = frames.get(node);
  state.isAnswered = true;
  state.answered();
  const { timeOrigin, getEntriesByType } = node.contentWindow.performance;
  const [timing] = getEntriesByType.call(node.contentWindow.performance, "navigation");
  const parts = [
    computes("Head", frameAnswerHead(nonce)), chunk(FRAME_HEAD),
    computes("Start of the document", "<!DOCTYPE html>… and a comment of spaces", FRAME_HEAD),
  ];
  add("down", `GET ${shown(state.url)} → 200, and it goes on`, parts, timeOrigin + (timing?.responseStart ?? 0));
}

const heardScripts = new WeakSet();

/** A script in a frame has called the page. */
function called(name) {
  for (const [node, state] of frames) {
    const script = node.contentDocument?.currentScript;
    if (!script || heardScripts.has(script)) continue;
    heardScripts.add(script);
    if (!state.isAnswered) answer(node, script.nonce);
    const text = seen("Script", `<script nonce="${script.nonce}">${script.textContent}</script>`);
    add("down", name === "alive" ? "script: alive" : `script: ${name}(…)`, [chunk(text.bytes), text]);
    if (name !== "alive") update(state.url.pathname, script.textContent);
  }
}

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
