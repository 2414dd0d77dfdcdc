// What `fetch` sends and receives: polling and long polling, and the page's own POST and DELETE.

import { changed } from "/shared/wire/age.js";
import { fetchHeaders } from "/shared/wire/headers.js";
import { add, extend, inVain, note, request, seen, update } from "/shared/wire/panel.js";

const realFetch = window.fetch;

/** The last body at each path: an answer that repeats it is no news. */
const last = new Map();

// It hands on what it is given and what comes back, as it is: a body can be read once, and belongs to the page.
window.fetch = async (resource, options) => {
  const asked = describe(resource, options ?? {});
  const what = `${asked.method} ${asked.shown}`;
  const crossing = request(what, [fetchHeaders(asked, asked.body?.bytes ?? null), ...(asked.body ? [asked.body] : [])]);
  const sent = Date.now();
  try {
    const response = await realFetch.call(window, resource, options);
    readAnswer(asked, what, response, sent);
    return response;
  } catch (error) {
    const reason = { AbortError: "given up by the page", TimeoutError: "given up after a time" }[error.name];
    note(`${what}: ${reason ?? "no answer"}`);
    if (asked.method === "GET") inVain();
    throw error;
  } finally {
    crossing.end();
  }
};

/** What is asked for, without taking the body from whoever asks. */
function describe(resource, { method, headers, cache, body }) {
  const isRequest = resource instanceof Request;
  const text = typeof body === "string" || body instanceof URLSearchParams ? body : undefined;
  const request = new Request(isRequest ? resource.url : resource, {
    method: method ?? (isRequest ? resource.method : "GET"),
    headers: headers ?? (isRequest ? resource.headers : {}),
    cache: cache ?? (isRequest ? resource.cache : "default"),
    body: text,
  });
  const { pathname, search } = new URL(request.url);
  return {
    method: request.method, url: request.url, headers: request.headers, cache: request.cache,
    body: text === undefined ? null : seen("Body", String(text)), path: pathname, shown: pathname + search,
  };
}

/** The headers of a response, which a page sees if `fetch` has sent the request. */
function responseHeaders({ status, statusText, headers }) {
  const lines = [...headers].map(([name, value]) => `${name}: ${value}`);
  return seen("Headers", [`HTTP/1.1 ${status} ${statusText}`, ...lines, "", ""].join("\r\n"));
}

async function readAnswer(asked, what, response, sent) {
  const row = add("down", `${what} → ${response.status} ${response.statusText}`, [responseHeaders(response)]);
  // A body without a known length may be a stream: it is left to whoever asked for it, and not counted.
  if (response.headers.has("transfer-encoding")) return;
  let text;
  try {
    text = await response.clone().text();
  } catch {
    note(`${what}: the answer broke off`);
    inVain();
    return;
  }
  if (text) extend(row, seen("Body", text));
  if (asked.method !== "GET") {
    if (response.ok && asked.path.startsWith("/users")) changed(sent);
  } else if (response.status === 200 && last.get(asked.path) !== text) {
    last.set(asked.path, text);
    update(asked.path, text);
  } else inVain();
}
