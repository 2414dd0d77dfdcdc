// The panel of the wire: the only source of what crosses the network. The files around `fetch`, `EventSource` and the
// like report to it through an `Exchange`; the rows, the totals and the timeline show what it knows.

import { forgetChanges, onAge } from "/shared/wire/age.js";
import { appendPart, appendRow, refreshRow, rows } from "/shared/wire/rows.js";
import { countBytes, countRequest, resetTotals, setAge } from "/shared/wire/totals.js";

/**
 * Something that crossed the network, or that the page noticed. It has a row.
 * @typedef {object} Crossing
 * @property {string} id the id of its row
 * @property {"up" | "down" | "note"} direction towards the server, from it, or neither
 * @property {"request" | "send" | "news" | "empty" | "break" | null} kind
 * @property {string} what in a few words
 * @property {string} name in one word, for an update
 * @property {number} time when the browser sent or received it, in milliseconds since 1970
 * @property {boolean} isLate whether it was earlier, and the page has noticed it only at that time
 * @property {number | null} changeTime when the change was asked for that the update is about, if that is known
 * @property {import("/shared/wire/parts.js").Part[]} parts
 * @property {number} bytes
 * @property {import("/shared/wire/totals.js").Cost} cost
 * @property {boolean} isCounted whether its bytes are part of the totals
 * @property {"queued" | "waiting" | "open" | null} state of the request, while it is open
 * @property {import("/shared/wire/exchange.js").Exchange} exchange
 * @property {HTMLLIElement} row
 */

/**
 * Tells what happens, for the timeline. Its events are `crossing` and `exchange`, each new or changed; `removed`, with
 * the id of a row; and `cleared`, with the exchanges that stay. The event's `detail` is the object.
 */
export const traffic = new EventTarget();
export const tell = (name, detail) => traffic.dispatchEvent(new CustomEvent(name, { detail }));

/** The exchanges that are not over. */
export const openExchanges = new Set();

let lastId = 0;
/** All crossings that count. After a `clear` nothing is added to the old ones any more. */
let counted = new Set();

/**
 * Creates a crossing and its row. It counts unless `isCounted` is false.
 * @returns {Crossing}
 */
export function addCrossing(fields) {
  lastId += 1;
  const bytes = fields.parts.reduce((sum, part) => sum + part.bytes, 0);
  const own = { id: `wire-row-${lastId}`, name: "", time: Date.now(), isLate: false, changeTime: null, state: null };
  const crossing = { ...own, bytes, isCounted: true, ...fields };
  for (const row of appendRow(crossing)) tell("removed", row.id);
  if (crossing.isCounted) count(crossing);
  tell("crossing", crossing);
  return crossing;
}

/** Counts the bytes of a crossing. */
export function count(crossing) {
  crossing.isCounted = true;
  counted.add(crossing);
  countBytes(crossing.cost, crossing.bytes);
}

/** Returns whether the crossing is part of the totals. */
export const isCounted = (crossing) => counted.has(crossing);

/** Shows that a crossing has changed. */
export function refresh(crossing) {
  refreshRow(crossing);
  tell("crossing", crossing);
}

/** Moves the bytes of a crossing to another cost. */
export function charge(crossing, cost) {
  if (counted.has(crossing)) {
    countBytes(crossing.cost, -crossing.bytes);
    countBytes(cost, crossing.bytes);
  }
  crossing.cost = cost;
}

/** Adds a part to a crossing, which came later than the others. */
export function extend(crossing, part) {
  crossing.parts.push(part);
  crossing.bytes += part.bytes;
  if (counted.has(crossing)) countBytes(crossing.cost, part.bytes);
  appendPart(crossing, part);
  refresh(crossing);
}

/** Starts to count again, with the requests that are still open. */
function clear() {
  forgetChanges();
  resetTotals();
  counted = new Set();
  rows.replaceChildren();
  for (const { request } of openExchanges) {
    rows.append(request.row);
    if (!request.isCounted) continue;
    countRequest();
    count(request);
  }
  tell("cleared", [...openExchanges]);
}

document.getElementById("wire-clear").addEventListener("click", clear);

onAge((crossing, age, topic) => {
  setAge(topic, age);
  if (age === null) return;
  crossing.changeTime = crossing.time - age;
  tell("crossing", crossing);
});
