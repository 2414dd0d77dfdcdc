// One sentence that says what the drawing shows, for those who do not see it and for those who see it for the first time.

import { sentence } from "/shared/sentences.js";
import { HELD, VISIBLE_SECONDS } from "/shared/timeline/geometry.js";

/** The words for none, one, and several of something. */
const UPDATES = { none: "timeline.no-updates", one: "timeline.one-update", several: "timeline.updates" };
const MESSAGES = { none: "timeline.no-messages", one: "timeline.one-message", several: "timeline.messages" };
const REQUESTS = { none: "timeline.no-requests", one: "timeline.one-request", several: "timeline.requests" };

/** What is open: there is at least one. */
const CONNECTIONS = { one: "timeline.one-connection", several: "timeline.connections" };
const RESPONSES = { one: "timeline.one-response", several: "timeline.responses" };
const WAITING = { one: "timeline.one-waits", several: "timeline.several-wait" };

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
  const seconds = VISIBLE_SECONDS;
  const updates = amount(count("news"), UPDATES);
  const requests = amount(count("request"), REQUESTS);
  const lastBreak = recent.findLast(({ kind }) => kind === "break");

  if (streams.some(({ isDuplex }) => isDuplex)) {
    const messages = amount(count("send"), MESSAGES);
    return sentence("timeline.road", { connections: amount(streams.length, CONNECTIONS), seconds, updates, messages });
  }
  if (streams.length > 0) {
    return sentence("timeline.bar", { responses: amount(streams.length, RESPONSES), seconds, updates, requests });
  }
  if (held.length > 0) {
    return sentence("timeline.bricks", { requests: amount(held.length, WAITING), updates, seconds });
  }
  if (lastBreak && open.every(({ requestedAt }) => requestedAt < lastBreak.time)) return sentence("timeline.gap");
  if (count("request") === 0) return sentence("timeline.nothing");
  return sentence("timeline.comb", { requests, seconds, empty: count("empty") });
}

/** Returns the words for so many of something. */
function amount(count, { none, one, several }) {
  const key = { 0: none, 1: one }[count] ?? several;
  return sentence(key, { count });
}
