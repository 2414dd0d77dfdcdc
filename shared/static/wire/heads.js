// The heads of requests and answers. A page never sees the head of a request, and that of a stream's answer
// only the browser sees. Both are computed here: from the head that the server saw when it was asked for
// this page, and from what it puts on each answer.

const { requestHead, answerHead } = document.getElementById("wire").dataset;

/** `name: value` lines as a Map. */
function parse(lines) {
  return new Map(lines.trim().split("\n").map((line) => line.split(/: (.*)/s, 2)));
}

/** What has another value in each kind of request: it is left out here, and added where it is known. */
const VARIES = [
  "accept", "cache-control", "if-modified-since", "if-none-match", "origin", "pragma", "priority", "referer",
  "sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site", "sec-fetch-user", "sec-purpose", "upgrade-insecure-requests",
];

const toPage = parse(requestHead);
const always = new Map([...toPage].filter(([name]) => !VARIES.includes(name)));
const toEachAnswer = parse(answerHead);

/** Firefox asks in its own way. For one thing it tells how urgent a request is (RFC 9218), also over HTTP/1.1. */
const isFirefox = navigator.userAgent.includes("Firefox/");
const PRIORITY = isFirefox ? { priority: "u=4" } : {};

/** `Sec-Fetch-…` says what a request is for. To an address that is not local, a browser sends it with TLS only. */
function purpose(mode, destination, extra = {}) {
  if (!toPage.has("sec-fetch-mode")) return {};
  return { "sec-fetch-site": "same-origin", "sec-fetch-mode": mode, "sec-fetch-dest": destination, ...extra };
}

const NO_CACHE = { pragma: "no-cache", "cache-control": "no-cache" };
const referer = () => ({ referer: location.href.split("#", 1)[0] });

function head(firstLine, ...groups) {
  const headers = new Map(groups.flatMap((group) => (group instanceof Map ? [...group] : Object.entries(group))));
  return [firstLine, ...[...headers].map(([name, value]) => `${name}: ${value}`), "", ""].join("\r\n");
}

/** `GET /users HTTP/1.1` */
const requestLine = (url, method = "GET") => `${method} ${url.pathname}${url.search} HTTP/1.1`;

/** The head of a request that `fetch` sends, with a body of so many bytes, or null without one. */
export function fetchHead(request, bodyBytes) {
  const { method, headers } = request;
  // As the Fetch Standard has it, "HTTP-network-or-cache fetch".
  const caching = request.cache === "no-store" ? NO_CACHE : headers.has("if-none-match") ? { "cache-control": "max-age=0" } : {};
  const origin = method === "GET" || method === "HEAD" ? {} : { origin: location.origin };
  const length = bodyBytes ?? (method === "POST" || method === "PUT" ? 0 : null);
  return head(
    requestLine(new URL(request.url), method), always, caching, { accept: "*/*" }, origin,
    length === null ? {} : { "content-length": length }, purpose("cors", "empty"), PRIORITY, referer(),
    Object.fromEntries(headers),
  );
}

/** The head of the answer to a `fetch`: the one head that a page sees. */
export function answerHeadOf(response) {
  return head(`HTTP/1.1 ${response.status} ${response.statusText}`, Object.fromEntries(response.headers));
}

/** The head of the request of an EventSource that has seen the event `lastId`, if any. */
export function eventSourceHead(url, lastId) {
  const id = lastId ? { "last-event-id": lastId } : {};
  const accept = { accept: "text/event-stream" };
  return head(requestLine(url), always, NO_CACHE, accept, id, purpose("cors", "empty"), PRIORITY, referer());
}

/** The head of the answer that an EventSource reads (`sse/src/main.rs`). */
export function eventStreamHead() {
  const own = { "transfer-encoding": "chunked", "content-type": "text/event-stream", "x-accel-buffering": "no" };
  return head("HTTP/1.1 200 OK", toEachAnswer, { date: new Date().toUTCString() }, own);
}

/** The head of the request of an iframe: a page's, for another purpose. */
export function frameHead(url) {
  const user = navigator.userActivation?.isActive && !isFirefox ? { "sec-fetch-user": "?1" } : {};
  const { accept = "*/*", "upgrade-insecure-requests": upgrade } = Object.fromEntries(toPage);
  const insecure = upgrade ? { "upgrade-insecure-requests": upgrade } : {};
  return head(requestLine(url), always, insecure, { accept }, purpose("navigate", "iframe", user), PRIORITY, referer());
}

/** The head of the answer that an iframe reads (`iframe-stream/src/main.rs`). */
export function frameAnswerHead(nonce) {
  const own = {
    "transfer-encoding": "chunked", "content-type": "text/html; charset=utf-8", "cache-control": "no-store", "x-accel-buffering": "no",
    "content-security-policy": `default-src 'none'; script-src 'nonce-${nonce}'; frame-ancestors 'self'`,
  };
  return head("HTTP/1.1 200 OK", toEachAnswer, { date: new Date().toUTCString() }, own);
}

/** In base64, 16 random bytes and a SHA-1 (RFC 6455 §4). Their value is not known here, their length is. */
const KEY = "?".repeat(24), ACCEPT = "?".repeat(28);

/** The head of the request that asks for a WebSocket. */
export function handshakeHead(url) {
  const usual = [...always].filter(([name]) => !name.startsWith("sec-"));
  const own = isFirefox ? { accept: "*/*", ...purpose("websocket", "empty") } : {};
  return head(requestLine(url), new Map(usual), NO_CACHE, own, {
    connection: "Upgrade", upgrade: "websocket", origin: location.origin, "sec-websocket-version": 13, "sec-websocket-key": KEY,
    "sec-websocket-extensions": isFirefox ? "permessage-deflate" : "permessage-deflate; client_max_window_bits",
  });
}

/** The head of the answer that makes the connection a WebSocket. */
export function handshakeAnswerHead() {
  const own = { connection: "upgrade", upgrade: "websocket", "sec-websocket-accept": ACCEPT };
  return head("HTTP/1.1 101 Switching Protocols", toEachAnswer, { date: new Date().toUTCString() }, own);
}
