// What a response means: an update, nothing new, or the answer to a change of the page. For `fetch` and
// `XMLHttpRequest`.

import { changeMade } from "/shared/wire/age.js";
import { extend } from "/shared/wire/panel.js";
import { observed } from "/shared/wire/parts.js";
import { eventsIn, isChange, isNews, subjectsOf } from "/shared/wire/topics.js";

/** The last body from each path: a response that repeats it is no update. */
const lastBodies = new Map();

/**
 * Reports the body of a complete response, and ends its exchange.
 * @param {import("/shared/wire/exchange.js").Exchange} exchange
 * @param {import("/shared/wire/panel.js").Crossing} response
 * @param {number} status
 * @param {string} body
 */
export function reportBody(exchange, response, status, body) {
  const { path } = exchange;
  if (body) extend(response, observed("part.body", body));
  if (exchange.isOwn) {
    const isSuccess = status >= 200 && status < 300;
    if (isSuccess && isChange(path)) changeMade(exchange.requestedAt, subjectsOf(path, body));
  } else {
    const name = status === 200 ? newsIn(path, body) : null;
    if (name === null) exchange.withoutNews(response);
    else {
      response.name = name; // And not the status.
      exchange.update(response, body);
    }
  }
  exchange.end();
}

/** Returns the name of the update that a response brings, or null if it brings none. */
function newsIn(path, body) {
  const events = eventsIn(body);
  if (events !== null) return events.find(isNews) ?? null;
  if (lastBodies.get(path) === body) return null;
  lastBodies.set(path, body);
  return path.split("/")[1]; // Such as `users`.
}
