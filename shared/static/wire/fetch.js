// What `fetch` sends and receives: polling and long polling, and the page's own POST and DELETE.

import { changed } from "/shared/wire/age.js";
import { answerHeadOf, fetchHead } from "/shared/wire/heads.js";
import { add, computed, inVain, note, request, seen, update } from "/shared/wire/panel.js";

const realFetch = window.fetch;

/** The last body at each path: an answer that repeats it is no news. */
const last = new Map();

window.fetch = async (resource, options = {}) => {
  const asked = new Request(resource, { ...options, signal: undefined });
  const body = typeof options.body === "string" ? [seen("Body", options.body)] : [];
  const what = `${asked.method} ${shown(asked)}`;
  const crossing = request(what, [computed("Head", fetchHead(asked, body[0]?.bytes ?? null)), ...body]);
  const sent = Date.now();
  try {
    const response = await realFetch.call(window, resource, options);
    const reading = readAnswer(asked, response.clone(), sent).finally(crossing.end);
    // So that the row of the answer comes before that of the next request. A body without a known length may
    // be a stream, and whoever asked for it wants it as it comes.
    if (!response.headers.has("transfer-encoding")) await reading;
    return response;
  } catch (error) {
    crossing.end();
    const reason = { AbortError: "given up by the page", TimeoutError: "given up after a time" }[error.name];
    note(`${what}: ${reason ?? "no answer"}`);
    if (asked.method === "GET") inVain();
    throw error;
  }
};

async function readAnswer(asked, response, sent) {
  const { pathname } = new URL(asked.url);
  const text = await response.text().catch(() => ""); // It may break off.
  const parts = [seen("Head", answerHeadOf(response)), seen("Body", text)].filter((part) => part.bytes > 0);
  add("down", `${asked.method} ${shown(asked)} → ${response.status} ${response.statusText}`, parts);
  if (asked.method !== "GET") {
    if (response.ok && pathname.startsWith("/users")) changed(sent);
  } else if (response.status === 200 && last.get(pathname) !== text) {
    last.set(pathname, text);
    update(pathname, text);
  } else inVain();
}

function shown({ url }) {
  const { pathname, search } = new URL(url);
  return pathname + search;
}
