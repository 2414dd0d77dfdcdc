// The totals: what all rows of the wire add up to, and what the bytes were for.

import { showNumber } from "/shared/wire/numbers.js";
import { onTick } from "/shared/wire/ticker.js";

/**
 * What bytes are for. Only those for updates make up the price of an update, so that it can be compared with the table
 * in README.md. `pending` is for a request whose response is not known yet.
 * @typedef {"updates" | "silence" | "connecting" | "own" | "pending"} Cost
 */

/** Of less time than this a rate would only be the start, in seconds. */
const MIN_RATE_TIME = 5;

const element = (id) => document.getElementById(id);

/** The sums since the page was opened or cleared. `updates` and the bytes for them are counted for each topic. */
const totals = {};

const listeners = [];
/** Whether the totals are going to be shown soon. */
let isScheduled = false;

/** Calls `listener` with the totals after each change; changes that come together count as one.
 *  @param {(totals: object) => void} listener */
export const onTotals = (listener) => listeners.push(listener);

/** Starts again at zero. */
export function resetTotals() {
  const bytes = { updates: 0, silence: 0, connecting: 0, own: 0, pending: 0 };
  const topics = { users: { updates: 0, bytes: 0 }, clock: { updates: 0, bytes: 0 } };
  Object.assign(totals, { requests: 0, withoutNews: 0, bytes, topics, begun: Date.now(), age: { users: null, clock: null } });
  changed();
}

/** Counts a request that has left the browser. */
export function countRequest() {
  totals.requests += 1;
  changed();
}

/** Counts a request that brought no update. */
export function countWithoutNews() {
  totals.withoutNews += 1;
  changed();
}

/** Counts an update. The `bytes` of its message are counted with `countBytes`, too.
 *  @param {"users" | "clock"} topic */
export function countUpdate(topic, bytes) {
  totals.topics[topic].updates += 1;
  totals.topics[topic].bytes += bytes;
  changed();
}

/** Counts bytes, or takes them back if the number is negative.
 *  @param {Cost} cost */
export function countBytes(cost, bytes) {
  totals.bytes[cost] += bytes;
  changed();
}

/** Shows how old the last update of a topic was, in milliseconds, or null. */
export function setAge(topic, age) {
  totals.age[topic] = age;
  changed();
}

function changed() {
  if (isScheduled) return;
  isScheduled = true;
  queueMicrotask(() => {
    isScheduled = false;
    show();
    const summary = summarize();
    for (const listener of listeners) listener(summary);
  });
}

function summarize() {
  const { requests, withoutNews, bytes, topics, age } = totals;
  const all = Object.values(bytes).reduce((sum, number) => sum + number, 0);
  const { updates, bytes: ofUpdates } = topics.users;
  const cost = updates > 0 ? Math.round(ofUpdates / updates) : null;
  return { requests, withoutNews, updates: updates + topics.clock.updates, all, bytes, cost, age };
}

function show() {
  const { requests, withoutNews, updates, all, bytes, cost, age } = summarize();
  showNumber(element("wire-requests"), requests);
  showNumber(element("wire-vain"), withoutNews);
  showNumber(element("wire-updates"), updates);
  showNumber(element("wire-bytes"), all);
  for (const name of ["updates", "silence", "connecting", "own"]) showNumber(element(`wire-bytes-${name}`), bytes[name]);
  showApproximate("wire-cost", cost);
  showAge("wire-age", age.users);
  showAge("wire-age-clock", age.clock);
  showTime();
}

function showAge(id, age) {
  const text = age === null ? "–" : `${age} ms`;
  if (element(id).textContent !== text) element(id).textContent = text;
}

/** Shows how long it has been counting, and the bytes a minute. */
function showTime() {
  const seconds = Math.floor((Date.now() - totals.begun) / 1000);
  const text = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  if (element("wire-time").textContent !== text) element("wire-time").textContent = text;
  const all = Object.values(totals.bytes).reduce((sum, number) => sum + number, 0);
  showApproximate("wire-rate", seconds < MIN_RATE_TIME ? null : Math.round((all / seconds) * 60));
}

/** Shows a number that is not exact, or that there is none. */
function showApproximate(id, number) {
  showNumber(element(id), number);
  element(id).classList.toggle("about", number !== null);
}

resetTotals();
onTick(showTime);
