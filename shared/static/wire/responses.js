// What a response means: an update, nothing new, or the answer to a change of the page. For `fetch` and
// `XMLHttpRequest`.

import { changeMade } from "/shared/wire/age.js";
import { extend } from "/shared/wire/panel.js";
import { observed } from "/shared/wire/parts.js";

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
  if (body) extend(response, observed("Body", body));
  if (exchange.isOwn) {
    const isSuccess = status >= 200 && status < 300;
    if (isSuccess && path.startsWith("/users")) changeMade(exchange.requestedAt);
  } else if (status === 200 && lastBodies.get(path) !== body) {
    lastBodies.set(path, body);
    response.name = path.split("/")[1]; // `users`, and not the status.
    exchange.update(response, body);
  } else {
    exchange.withoutNews(response);
  }
  exchange.end();
}
