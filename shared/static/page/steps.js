// "Try it": ticks a step when the page has seen it happen.

import { notOpen } from "/shared/page/connection.js";
import { element, happenings, setText } from "/shared/page/dom.js";
import { sentence } from "/shared/sentences.js";

/** How long nothing must change for the step "quiet", in milliseconds. */
const QUIET = 10_000;
/** How often to check that, in milliseconds. */
const CHECK_INTERVAL = 500;

/** The steps that were seen in this tab, also before it was reloaded. */
const seen = new Set(JSON.parse(sessionStorage.getItem("steps") ?? "[]"));

function tick(step) {
  const item = document.querySelector(`#steps [data-step="${step}"]`);
  if (!item || "seen" in item.dataset) return;
  item.dataset.seen = sentence("steps.seen"); // A screen reader reads it, in place of the tick.
  seen.add(step);
  const items = [...document.querySelectorAll("#steps li")];
  const count = items.filter((other) => "seen" in other.dataset).length;
  setText(element("steps-progress"), sentence("steps.progress", { count, total: items.length }));
  sessionStorage.setItem("steps", JSON.stringify([...seen]));
}

function observe(name, listener) {
  happenings.addEventListener(name, ({ detail }) => listener(detail));
}

/** When the list has changed or a connection was lost. */
let lastChange = performance.now();
/** Whether somebody has cut all connections, whether one was lost after that, and whether one was silent. */
let wasCut = false, wasLost = false, wasSilent = false;

observe("list", ({ isElsewhere, isRestart }) => {
  lastChange = performance.now();
  if (isElsewhere) tick("elsewhere");
  if (isRestart) tick("restart");
});
observe("state", ({ state, wasSilent: isSilent }) => {
  if (state === "open") {
    if (wasCut && wasLost) tick("cut");
    if (wasSilent) tick("silence");
  } else {
    lastChange = performance.now();
    wasLost = true;
    wasSilent ||= isSilent;
  }
});
observe("cut", () => {
  wasCut = true;
  wasLost = false;
  // Where nothing is open, there is nothing to come back.
  if (document.body.dataset.lesson === "polling") tick("cut");
});
observe("added", ({ overSocket }) => {
  if (overSocket) tick("added");
});
observe("echo", () => tick("echo"));

setInterval(() => {
  const isQuiet = performance.now() - lastChange > QUIET;
  const isWatched = element("users-toggle").getAttribute("aria-pressed") === "true" && notOpen().length === 0;
  if (document.hidden || !isWatched) lastChange = performance.now();
  else if (isQuiet) tick("quiet");
}, CHECK_INTERVAL);

for (const step of seen) tick(step);
