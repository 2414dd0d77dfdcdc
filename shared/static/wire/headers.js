// The headers that a page cannot see: those that the browser adds to a request, and those of a stream's response. Only
// their length is shown. It is estimated, within 5 %, from the request for this page, which the server has seen.

import { sentence } from "/shared/sentences.js";
import { estimated } from "/shared/wire/parts.js";

/** Numbers of bytes: see `HeaderBytes` in `shared/src/page/header_bytes.rs`. */
const page = JSON.parse(document.getElementById("wire").dataset.headerBytes);

/** A browser adds these lines to a request whose response must not come from a cache (Fetch Standard). */
const NO_CACHE = ["pragma: no-cache", "cache-control: no-cache"];
/** The server adds these lines to each stream. */
const STREAM = ["transfer-encoding: chunked", "x-accel-buffering: no"];
/** The key is 16 random bytes and the response to it a SHA-1, both in base64 (RFC 6455 §4). */
const KEY = `sec-websocket-key: ${"?".repeat(24)}`, ACCEPT_KEY = `sec-websocket-accept: ${"?".repeat(28)}`;

const origin = `origin: ${location.origin}`;
const referer = () => `referer: ${location.href.split("#", 1)[0]}`;

/** The length of header lines with their line ends. */
const lengthOf = (lines) => lines.reduce((sum, line) => sum + line.length + 2, 0);

/** The headers of a message: the lines that are known, and the number of bytes that its sender adds, about which the
 *  sentence with the key `remark` informs. */
function headers(known, added, remark) {
  const text = [...known, sentence(remark, { bytes: added })].join("\n");
  return estimated("part.headers", text, lengthOf([...known, ""]) + added);
}

/** The headers of a GET or another request: lines that the page has set, and lines that the browser adds. */
function requestHeaders(url, own, added, bytes, method = "GET") {
  const known = [`${method} ${url.pathname}${url.search} HTTP/1.1`, ...own];
  return headers(known, lengthOf(added) + page.every + bytes, "part.browser-adds");
}

/** The headers of a request of `fetch`, which has a body with so many bytes, or null for none. */
export function fetchHeaders({ method, url, headers, cache }, bodyBytes) {
  const added = ["accept: */*", referer()];
  if (cache === "no-store") added.push(...NO_CACHE);
  if (method !== "GET" && method !== "HEAD") added.push(origin);
  if (bodyBytes !== null || method === "POST") added.push(`content-length: ${bodyBytes ?? 0}`);
  const own = [...headers].map(([name, value]) => `${name}: ${value}`);
  return requestHeaders(new URL(url), own, added, page.hints + page.purpose, method);
}

/** The headers of a request of an `EventSource` that has received the event `lastId`, if any. */
export function eventSourceHeaders(url, lastId) {
  const added = [...NO_CACHE, referer(), ...(lastId ? [`last-event-id: ${lastId}`] : [])];
  return requestHeaders(url, ["accept: text/event-stream"], added, page.hints + page.purpose);
}

/** The headers of the request of an iframe. */
export function frameHeaders(url) {
  return requestHeaders(url, [], [referer()], page.hints + page.purpose + page.document);
}

/** The headers of a WebSocket's handshake. Browsers that send client hints send neither these nor `Sec-Fetch-…` here. */
export function handshakeHeaders(url) {
  const own = ["upgrade: websocket", "sec-websocket-version: 13"];
  const added = [...NO_CACHE, origin, KEY, "sec-websocket-extensions: permessage-deflate"];
  return requestHeaders(url, own, added, page.hints ? 0 : page.purpose);
}

/** The headers of a stream's response. */
export function streamHeaders(contentType) {
  return headers(["HTTP/1.1 200 OK", `content-type: ${contentType}`], page.response + lengthOf(STREAM), "part.server-adds");
}

/** The headers of the response to a WebSocket's handshake. */
export function upgradeHeaders() {
  const known = ["HTTP/1.1 101 Switching Protocols", "connection: upgrade", "upgrade: websocket"];
  return headers(known, page.response + lengthOf([ACCEPT_KEY]), "part.server-adds");
}
