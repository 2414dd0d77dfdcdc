// The age of an update: how much time has passed since the change, when the update arrives.
//
// An update of the clock contains its second. Other updates do not say when the change was made, but a tab that makes
// one knows when it asked for it, and notifies all tabs of this browser. A change and its update are about the same
// subject (topics.js), and the notification and the update may arrive in either order. Changes made outside this browser
// have no notification.

import { subjectsOf, topicOf, USERS } from "/shared/wire/topics.js";

/** An update that seems to be older was not measured with one clock, in milliseconds. */
const MAX_AGE = 60_000;
/** How much later than its update the notification of a change may arrive, in milliseconds. */
const MATCH_WINDOW = 2000;
/** All time zones differ by a multiple of this, in milliseconds. The server's clock may show another one. */
const ZONE_STEP = 15 * 60_000;
/** How many subjects to remember. An update and its change are hardly ever further apart. */
const MAX_SUBJECTS = 200;

const tabs = new BroadcastChannel("wire");
/** When a change was asked for whose update has not arrived, by subject. */
const changes = new Map();
/** The last update about each subject, and when it arrived. */
const updates = new Map();
/** Receives each age, null if it is unknown. */
let report = () => {};

/** Calls `listener` with each update, its age in milliseconds or null, and its topic.
 *  @param {(update: object, age: number | null, topic: string) => void} listener */
export function onAge(listener) {
  report = (update, age, topic) => listener(update, age !== null && age >= 0 && age < MAX_AGE ? age : null, topic);
}

/** Forgets the changes that were asked for so far. */
export function forgetChanges() {
  changes.clear();
  updates.clear();
}

/** Tells all tabs that a change was made which a page asked for at `time`.
 *  @param {number} time in milliseconds since 1970
 *  @param {string[]} subjects what it is about */
export function changeMade(time, subjects = [USERS]) {
  tabs.postMessage({ time, subjects });
  onChange(time, subjects);
}

/** Tells all tabs that the last change of the users that was asked for has been refused. */
export function changeRefused() {
  tabs.postMessage({ time: null });
  changes.delete(USERS);
}

tabs.onmessage = ({ data: { time, subjects } }) => {
  if (time === null) changes.delete(USERS);
  else onChange(time, subjects);
};

function onChange(time, subjects) {
  const now = Date.now();
  for (const subject of subjects) {
    const last = updates.get(subject);
    if (last !== undefined && last.time >= time && now - last.time < MATCH_WINDOW) {
      report(last.update, last.time - time, "users");
    } else if (!changes.has(subject)) {
      remember(changes, subject, time);
    }
  }
}

/** Adds an entry to a map, which forgets its oldest one at the limit. */
function remember(map, subject, value) {
  map.delete(subject);
  map.set(subject, value);
  if (map.size > MAX_SUBJECTS) map.delete(map.keys().next().value);
}

/**
 * Measures the age of an update that has just arrived.
 * @param {object} update what `onAge` gets
 * @param {string} path where it was asked for
 * @param {string} text its text
 */
export function updateArrived(update, path, text) {
  const now = Date.now();
  const topic = topicOf(path);
  if (topic === "clock") report(update, ageOfSecond(text, now), topic);
  if (topic !== "users") return;
  const subjects = subjectsOf(path, text);
  const times = subjects.filter((subject) => changes.has(subject)).map((subject) => changes.get(subject));
  report(update, times.length > 0 ? now - Math.min(...times) : null, topic);
  for (const subject of subjects) {
    remember(updates, subject, { update, time: now });
    changes.delete(subject);
  }
}

/** Returns how long ago the second began that the text of the clock contains, or null if there is none. */
function ageOfSecond(text, now) {
  const second = text.match(/(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)/);
  if (!second) return null;
  const difference = now - new Date(`${second[1]}T${second[2]}`).getTime();
  return ((difference % ZONE_STEP) + ZONE_STEP) % ZONE_STEP;
}
