// What the page says about the state of a connection: client.js reports facts, and here are the sentences for them.

import { sentence } from "/shared/sentences.js";

/** What client.js may report besides the state. All times are in milliseconds.
 *  @typedef {Record<string, number | boolean | string>} Facts */

/** @typedef {"connecting" | "open" | "closed"} State */

const STATES = { connecting: "status.connecting", open: "status.open", closed: "status.closed" };

/** Stands for a report without facts. */
const NO_FACT = null;

/** The sentences of each lesson: a state, a fact that was reported in it, and the sentence. The first one that fits is
 *  shown. */
const OF_LESSONS = {
  polling: [["closed", NO_FACT, "status.mistake"]],
  "long-polling": [
    ["open", NO_FACT, "status.waiting-for-news"],
    ["closed", NO_FACT, "status.mistake"],
  ],
  "iframe-stream": [
    ["connecting", "silence", "status.new-frame-after-silence"],
    ["connecting", NO_FACT, "status.new-frame"],
    ["open", NO_FACT, "status.frame-loading"],
    ["closed", "hasEnded", "status.frame-ended"],
    ["closed", "isUnreachable", "status.no-server"],
  ],
  sse: [
    ["connecting", "silence", "status.stream-after-silence"],
    ["connecting", "hasFailed", "status.browser-asks-again"],
    ["connecting", "readyState", "status.asking-for-stream"],
    ["open", "readyState", "status.response-goes-on"],
    ["closed", "readyState", "status.browser-gave-up"],
  ],
  websocket: [
    ["connecting", "silence", "status.socket-after-silence"],
    ["connecting", NO_FACT, "status.asking-for-upgrade"],
    ["open", "isUpgraded", "status.upgraded"],
    ["open", NO_FACT, "status.both-ways"],
  ],
};

/** The sentences for facts that mean the same in every lesson, also in one that a student has written. */
const OF_FACTS = {
  hasMistake: "status.mistake",
  interval: "status.asking-every",
  httpStatus: "status.http-status",
  isEarly: "status.ended-early",
  isUnreachable: "status.no-answer",
  silence: "status.no-answer-for",
  readyState: "status.ready-state",
  code: "status.close-code",
  hasEnded: "status.ended",
  hasFailed: "status.failed",
  isUpgraded: "status.upgraded",
};

/** Returns the sentence for what client.js has reported.
 *  @param {State} state
 *  @param {Facts | string} [facts] a text is shown as it is
 *  @returns {string} */
export function statusSentence(state, facts = {}) {
  const words = typeof facts === "string" ? facts : factsSentence(state, withContent(facts));
  const name = sentence(STATES[state]);
  return words ? sentence("status.state-and-facts", { state: name, facts: words }) : name;
}

/** Returns the facts that need words. `isEarly: false` says nothing, and the page counts down to the next attempt. */
function withContent(facts) {
  const isContent = ([name, value]) => name !== "retryIn" && ![undefined, null, false].includes(value);
  return Object.fromEntries(Object.entries(facts).filter(isContent));
}

/** Returns the sentence of the lesson, or one for each fact. */
function factsSentence(state, facts) {
  const names = Object.keys(facts);
  const values = { ...facts, seconds: (facts.silence ?? facts.interval) / 1000 };
  const isFit = ([ofState, fact]) => ofState === state && (fact === NO_FACT ? names.length === 0 : names.includes(fact));
  const rule = OF_LESSONS[document.body.dataset.lesson]?.find(isFit);
  if (rule) return sentence(rule[2], values);
  const words = names.map((name) => (Object.hasOwn(OF_FACTS, name) ? sentence(OF_FACTS[name], values) : unknownFact(name, facts[name])));
  return words.length > 0 ? words.reduce((first, second) => sentence("status.facts", { first, second })) : "";
}

/** Returns a fact for which there is no sentence, as a student's own lesson may report it. */
const unknownFact = (name, value) => (value === true ? name : `${name} ${value}`);
