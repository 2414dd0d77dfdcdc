// One sentence that says what the drawing shows, for those who do not see it and for those who see it for the first time.

import { HELD, VISIBLE_SECONDS } from "/shared/timeline/geometry.js";

/**
 * Returns the sentence for what has crossed in the last seconds.
 * @param {import("/shared/wire/panel.js").Crossing[]} crossings
 * @param {import("/shared/wire/exchange.js").Exchange[]} exchanges
 * @param {number} now in milliseconds since 1970
 */
export function describePattern(crossings, exchanges, now) {
  const since = now - VISIBLE_SECONDS * 1000;
  const recent = crossings.filter(({ time, exchange }) => time >= since && !exchange.isOwn);
  const count = (kind) => recent.filter((crossing) => crossing.kind === kind).length;
  const open = exchanges.filter(({ state, isOwn }) => state !== "ended" && !isOwn);
  const streams = open.filter(({ state }) => state === "open");
  const held = open.filter(({ requestedAt, state }) => state === "waiting" && now - requestedAt >= HELD);
  const updates = amount(count("news"), "update");
  const lastBreak = recent.findLast(({ kind }) => kind === "break");

  if (streams.some(({ isDuplex }) => isDuplex)) {
    return `A road: ${openOnes(streams, "connection is", "connections are")} open; in the last ${VISIBLE_SECONDS} s ${updates} came from the server on it, and ${amount(count("send"), "message")} went to the server.`;
  }
  if (streams.length > 0) {
    return `One long bar: ${openOnes(streams, "response goes", "responses go")} on and on; in the last ${VISIBLE_SECONDS} s ${updates} came, and ${amount(count("request"), "request")} went to the server.`;
  }
  if (held.length > 0) {
    return `Bricks: ${openOnes(held, "request waits", "requests wait")} for news. Each response ends one, and the next follows at once: ${updates} in the last ${VISIBLE_SECONDS} s.`;
  }
  if (lastBreak && open.every(({ requestedAt }) => requestedAt < lastBreak.time)) {
    return "A gap: the connection is broken, and nothing can come until the next try.";
  }
  if (count("request") === 0) return "Nothing: no request and no connection.";
  return `A comb: ${amount(count("request"), "request")} in the last ${VISIBLE_SECONDS} s, ${count("empty")} of them without news. Between them nothing is open.`;
}

const amount = (number, noun) => `${number === 0 ? "no" : number} ${noun}${number === 1 ? "" : "s"}`;

const openOnes = ({ length }, singular, plural) => (length === 1 ? `one ${singular}` : `${length} ${plural}`);
