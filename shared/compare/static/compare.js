// One change in all five lessons: makes it, and shows what each lesson reports of it and of the silence after it.

import { sentence } from "/shared/sentences.js";
import { Lesson } from "/static/lesson.js";

/** How long to wait for the first list of each frame, in milliseconds. */
const CONNECT_LIMIT = 5000;
/** How long to wait until all lessons have the news of a change, in milliseconds. Polling needs a second. */
const NEWS_LIMIT = 5000;
/** After the news a client may send its next request. That is not silence yet, in milliseconds. */
const SETTLING = 1000;
/** How often the time of the silence moves, in milliseconds. */
const TICK = 1000;

const element = (id) => document.getElementById(id);
const button = element("change");

/** How long silence is counted, in milliseconds. */
const silence = Number(document.body.dataset.silence) * 1000;

// A frame that is part of the page's own loading would keep the page from ever being loaded: in lesson 3, a document never
// finishes loading.
if (document.readyState !== "complete") await new Promise((resolve) => addEventListener("load", resolve, { once: true }));

const lessons = [...document.querySelectorAll("tbody tr")].map((row) => new Lesson(row, frameOf(row)));
/** Ends the silence that is being counted, if there is one. */
let endSilence = () => {};
/** Whether the user that this page adds is in the lists. */
let isAdded = false;

function frameOf({ dataset: { lesson } }) {
  return document.querySelector(`iframe[data-lesson="${lesson}"]`);
}

/** Shows a text, and a time after it. The time is apart, so that a screen reader does not read it each second.
 *  @param {string} text
 *  @param {string} [time] */
function say(text, time = "") {
  if (element("progress").textContent !== text) element("progress").textContent = text;
  element("silence-time").textContent = time;
}

/** Returns a time as people write it: `0:37`. */
function minutes(milliseconds) {
  const seconds = Math.round(milliseconds / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

const pause = (time) => new Promise((resolve) => setTimeout(resolve, time));

/** Resolves when all promises have, or the time is over. */
const allWithin = (limit, promises) => Promise.race([Promise.all(promises), pause(limit)]);

/** Shows a column's numbers as parts of the largest one. */
function compareFigures() {
  for (const name of ["delay", "requests", "bytes", "silence-requests", "silence-bytes"]) {
    const largest = Math.max(...lessons.map((lesson) => lesson.figure(name) ?? 0));
    for (const lesson of lessons) lesson.showShare(name, largest);
  }
}

/** Shows what is wrong with single lessons. */
function showProblems() {
  const problems = lessons.map(({ problem }) => problem).filter((problem) => problem !== "");
  element("problems").replaceChildren(...problems.map((problem) => {
    const paragraph = document.createElement("p");
    paragraph.textContent = problem;
    return paragraph;
  }));
}

/** Makes one change in all lessons, waits for the news, and then counts the silence. */
async function change() {
  if (button.ariaDisabled === "true") return;
  button.ariaDisabled = "true";
  endSilence();
  const done = sentence(isAdded ? "compare.removed" : "compare.added");
  say(sentence(isAdded ? "compare.removes" : "compare.adds"));
  const time = Date.now();
  for (const lesson of lessons) lesson.begin(time);
  const news = allWithin(NEWS_LIMIT, lessons.map((lesson) => lesson.news));
  await Promise.all(lessons.map((lesson) => (isAdded ? lesson.removeUser() : lesson.addUser())));
  isAdded = !isAdded;
  await news;
  for (const lesson of lessons) lesson.giveUp();
  compareFigures();
  showProblems();
  button.ariaDisabled = "false";
  countSilence(done);
}

/** Counts what crosses the network while nothing changes, until the time is over or the next change is made.
 *  @param {string} change the sentence about the change before the silence */
async function countSilence(change) {
  let hasEnded = false;
  endSilence = () => (hasEnded = true);
  say(change);
  await pause(SETTLING);
  if (hasEnded) return;
  const begin = Date.now();
  for (const lesson of lessons) lesson.beginSilence();
  for (;;) {
    const elapsed = Date.now() - begin;
    for (const lesson of lessons) lesson.showSilence();
    compareFigures();
    if (elapsed >= silence) {
      say(sentence("compare.silence-counted", { change }), minutes(elapsed));
      return;
    }
    const times = { elapsed: minutes(elapsed), whole: minutes(silence) };
    say(sentence("compare.silence-so-far", { change }), sentence("compare.time", times));
    await pause(Math.min(TICK, silence - elapsed));
    if (hasEnded) return;
  }
}

button.addEventListener("click", change);
await allWithin(CONNECT_LIMIT, lessons.map((lesson) => lesson.connected));
for (const lesson of lessons) lesson.giveUpConnecting();
showProblems();
button.ariaDisabled = "false";
say(sentence("compare.press"));
