// The age of an update: how much time has passed since the change, when the update arrives.
//
// An update of the clock contains its second. An update of the users does not say when they changed, but a tab that
// changes them knows when it asked for the change, and notifies all tabs of this browser. The notification and the
// update may arrive in either order. Changes made outside this browser have no notification.

import { topicOf } from "/shared/wire/topics.js";

/** An update that seems to be older was not measured with one clock, in milliseconds. */
const MAX_AGE = 60_000;
/** How much later than its update the notification of a change may arrive, in milliseconds. */
const MATCH_WINDOW = 2000;
/** All time zones differ by a multiple of this, in milliseconds. The server's clock may show another one. */
const ZONE_STEP = 15 * 60_000;

const tabs = new BroadcastChannel("wire");
/** When a change was asked for whose update has not arrived, or null. */
let changeTime = null;
/** The last update of the users, and when it arrived, or null. */
let lastUpdate = null;
/** Receives each age, null if it is unknown. */
let report = () => {};

/** Calls `listener` with each update, its age in milliseconds or null, and its topic.
 *  @param {(update: object, age: number | null, topic: string) => void} listener */
export function onAge(listener) {
  report = (update, age, topic) => listener(update, age !== null && age >= 0 && age < MAX_AGE ? age : null, topic);
}

/** Forgets the changes that were asked for so far. */
export function forgetChanges() {
  changeTime = null;
  lastUpdate = null;
}

/** Tells all tabs that a change was made which a page asked for at `time`.
 *  @param {number} time in milliseconds since 1970 */
export function changeMade(time) {
  tabs.postMessage({ time });
  onChange(time);
}

/** Tells all tabs that the last change that was asked for has been refused. */
export function changeRefused() {
  tabs.postMessage({ time: null });
  changeTime = null;
}

tabs.onmessage = ({ data }) => {
  if (data.time === null) changeTime = null;
  else onChange(data.time);
};

function onChange(time) {
  const now = Date.now();
  if (lastUpdate !== null && lastUpdate.time >= time && now - lastUpdate.time < MATCH_WINDOW) {
    report(lastUpdate.update, lastUpdate.time - time, "users");
  } else {
    changeTime ??= time;
  }
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
  report(update, changeTime === null ? null : now - changeTime, topic);
  lastUpdate = { update, time: now };
  changeTime = null;
}

/** Returns how long ago the second began that the text of the clock contains, or null if there is none. */
function ageOfSecond(text, now) {
  const second = text.match(/(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)/);
  if (!second) return null;
  const difference = now - new Date(`${second[1]}T${second[2]}`).getTime();
  return ((difference % ZONE_STEP) + ZONE_STEP) % ZONE_STEP;
}
