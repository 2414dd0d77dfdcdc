// The state of the connection: what client.js reports, when the server has last shown a sign of life, and when
// the next attempt begins.

import { HEARTBEAT, announce, element, inWords, setText } from "/shared/page/dom.js";
import { statusSentence } from "/shared/page/status-sentences.js";
import { sentence } from "/shared/sentences.js";

/** @typedef {import("/shared/page/status-sentences.js").Facts} Facts */

/** How often the seconds are counted, in milliseconds. */
const TICK = 250;
/** After this time without a sign of life the page says until when it waits, in milliseconds. The server of lesson 2
 *  may hold a request for 1.67 heartbeats. */
const LATE = 1.75 * HEARTBEAT;
/** After this time a connection counts as broken, in milliseconds. */
const SILENCE_LIMIT = 2.5 * HEARTBEAT;

/**
 * What is known of the connection of one watcher.
 * @typedef {object} Connection
 * @property {"connecting" | "open" | "closed"} state
 * @property {Facts | string} [facts] what client.js says besides the state
 * @property {number} [lastSign] when the server has last shown a sign of life
 * @property {number} [nextTry] when the next attempt begins
 * @property {boolean} [isDoubtful] whether a request has failed since the last sign of life
 */

/** The connections of the watchers that are switched on, by their names. @type {Map<string, Connection>} */
const connections = new Map();

/** The states in the order in which they matter to the reader: the page shows the connection that is worst off. */
const WORST_FIRST = ["closed", "connecting", "open"];

/** Adds a connection, of a watcher that has just been switched on. @param {string} name */
export function begin(name) {
  connections.set(name, { state: "connecting", facts: "" }); // client.js has reported nothing yet.
  show();
}

/** Removes a connection, of a watcher that has been switched off. @param {string} name */
export function end(name) {
  connections.delete(name);
  show();
}

/** Notes what client.js says of a connection.
 *  @param {string} name
 *  @param {Connection["state"]} state
 *  @param {Facts | string} [facts] */
export function report(name, state, facts) {
  const now = performance.now();
  const { lastSign, state: before } = connections.get(name) ?? {};
  const nextTry = state === "closed" && Number.isFinite(facts?.retryIn) ? now + facts.retryIn : undefined;
  connections.set(name, { state, facts, nextTry, lastSign: state === "open" ? now : lastSign });
  if (state !== before) {
    const wasSilent = state !== "open" && lastSign !== undefined && now - lastSign > 2 * HEARTBEAT;
    announce("state", { name, state, wasSilent });
  }
  show();
}

/** Notes that news has arrived. @param {string} name */
export function alive(name) {
  const connection = connections.get(name);
  if (!connection) return;
  connection.lastSign = performance.now();
  connection.isDoubtful = false;
  show();
}

/** Notes that a request has found no server. A connection that still seems to be open is probably broken. */
export function doubt() {
  for (const connection of connections.values()) {
    if (connection.state === "open") connection.isDoubtful = true;
  }
  show();
}

/** Returns the names of the watchers whose connection is not open. */
export function notOpen() {
  const isBad = ([, { state, isDoubtful }]) => state !== "open" || isDoubtful;
  return [...connections].filter(isBad).map(([name]) => name);
}

function stateOf(connection) {
  if (!connection) return "closed";
  return connection.isDoubtful ? "connecting" : connection.state;
}

const rank = (connection) => WORST_FIRST.indexOf(stateOf(connection));

function show() {
  const [worst] = [...connections.values()].sort((one, other) => rank(one) - rank(other));
  const status = element("status");
  status.classList.toggle("off", !worst);
  const state = stateOf(worst);
  if (status.dataset.state !== state) status.dataset.state = state;
  setText(element("status-text"), describe(worst));
  setText(element("last-sign"), describeLastSign(worst));
  setText(element("next-try"), describeNextTry(worst));
  showNextTry(worst);
  // It keeps the focus, so it is not `disabled`.
  element("retry").ariaDisabled = String(!worst || (worst.state === "open" && !worst.isDoubtful));
}

function describe(connection) {
  if (!connection) return sentence("status.off");
  return connection.isDoubtful ? sentence("status.doubt") : statusSentence(connection.state, connection.facts);
}

function describeLastSign(connection) {
  if (!connection) return "";
  if (connection.lastSign === undefined) return sentence("connection.no-answer-yet");
  const silence = performance.now() - connection.lastSign;
  if (silence < 1000) return sentence("connection.last-sign-now");
  return sentence("connection.last-sign", { time: inWords(silence) });
}

function describeNextTry(connection) {
  if (!connection) return "";
  const now = performance.now();
  const { state, lastSign, nextTry } = connection;
  if (state === "closed" && nextTry !== undefined) {
    if (nextTry <= now) return sentence("connection.trying-now");
    return sentence("connection.next-attempt", { seconds: Math.ceil((nextTry - now) / 1000) });
  }
  if (state !== "open" || lastSign === undefined || now - lastSign < LATE) return "";
  const left = lastSign + SILENCE_LIMIT - now;
  if (left <= 0) return sentence("connection.not-noticed");
  return sentence("connection.counts-as-broken", { seconds: Math.ceil(left / 1000) });
}

/** Tells the timeline when the next attempt begins, in milliseconds since 1970. */
function showNextTry({ nextTry } = {}) {
  const { dataset } = element("status");
  const time = nextTry === undefined ? "" : String(Math.round(performance.timeOrigin + nextTry));
  if ((dataset.retryAt ?? "") !== time) dataset.retryAt = time;
}

setInterval(() => {
  if (!document.hidden) show();
}, TICK);
document.addEventListener("visibilitychange", show);
