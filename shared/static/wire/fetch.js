// What `fetch` sends and receives: polling and long polling, and the page's own POST and DELETE.

import { sentence } from "/shared/sentences.js";
import { whenComplete } from "/shared/wire/connections.js";
import { Exchange } from "/shared/wire/exchange.js";
import { fetchHeaders } from "/shared/wire/headers.js";
import { observed } from "/shared/wire/parts.js";
import { reportBody } from "/shared/wire/responses.js";
import { isOwnRequest } from "/shared/wire/topics.js";

const realFetch = window.fetch;

/** What the row says about a request that ended without a response, and about one that has never left the browser. */
const REASONS = {
  AbortError: ["wire.given-up", "wire.given-up-unsent"],
  TimeoutError: ["wire.timed-out", "wire.timed-out-unsent"],
};
const OTHER_REASON = ["wire.no-answer", "wire.ended-unsent"];

// The request and the response are passed on as they are: a body can be read once, and belongs to the page.
window.fetch = async (resource, options) => {
  const request = describe(resource, options ?? {});
  const what = `${request.method} ${request.shown}`;
  const parts = [fetchHeaders(request, request.body?.bytes ?? null), ...(request.body ? [request.body] : [])];
  const exchange = new Exchange(what, parts, { path: request.path, isOwn: request.isOwn });
  try {
    const response = await realFetch.call(window, resource, options);
    readResponse(exchange, what, request.url, response);
    return response;
  } catch (error) {
    fail(exchange, what, error);
    throw error;
  }
};

/** Returns what is asked for, without taking the body from the page. */
function describe(resource, { method, headers, cache, body }) {
  const isRequest = resource instanceof Request;
  const text = typeof body === "string" || body instanceof URLSearchParams ? body : undefined;
  const request = new Request(isRequest ? resource.url : resource, {
    method: method ?? (isRequest ? resource.method : "GET"),
    headers: headers ?? (isRequest ? resource.headers : {}),
    cache: cache ?? (isRequest ? resource.cache : "default"),
    body: text,
  });
  const url = new URL(request.url);
  const { pathname, search } = url;
  return {
    method: request.method, url: request.url, headers: request.headers, cache: request.cache,
    body: text === undefined ? null : observed("part.body", String(text)), path: pathname, shown: pathname + search,
    isOwn: isOwnRequest(request.method, url),
  };
}

function fail(exchange, what, error) {
  exchange.withoutNews();
  const [reason, reasonUnsent] = REASONS[error.name] ?? OTHER_REASON;
  if (!exchange.hasLeft) exchange.end(sentence(reasonUnsent, { what }));
  else if (error.name === "AbortError") exchange.end(sentence(reason, { what }));
  else exchange.break(sentence(reason, { what }));
}

/** Returns the headers of a response, which a page sees if `fetch` has sent the request. */
function responseHeaders({ status, statusText, headers }) {
  const lines = [...headers].map(([name, value]) => `${name}: ${value}`);
  return observed("part.headers", [`HTTP/1.1 ${status} ${statusText}`, ...lines, "", ""].join("\r\n"));
}

async function readResponse(exchange, what, url, response) {
  const title = `${what} → ${response.status} ${response.statusText}`;
  const parts = [responseHeaders(response)];
  const { wasQueued, requestedAt } = exchange;
  // A body without a known length may be a stream: it is left to the page, and not counted.
  if (response.headers.has("transfer-encoding")) {
    exchange.receiveStart(sentence("wire.goes-on", { response: title }), parts);
    await whenComplete(url, requestedAt);
    exchange.end();
    return;
  }
  const crossing = exchange.receive(title, parts, { name: String(response.status) });
  try {
    reportBody(exchange, crossing, response.status, await response.clone().text());
  } catch (error) {
    exchange.withoutNews(crossing);
    if (error.name === "AbortError") exchange.end(sentence("wire.given-up", { what }));
    else exchange.break(sentence("wire.broke-off", { what }));
    return;
  }
  if (wasQueued) exchange.left(await whenComplete(url, requestedAt));
}
