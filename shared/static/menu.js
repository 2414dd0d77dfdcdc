// The menu: which of the other lessons run, and the command for one that does not.

import { sentence } from "/shared/sentences.js";

/** The browser's own `fetch`. The wire, which is loaded later, observes `fetch` and would count these requests as the
 *  lesson's own. */
const fetchUnobserved = window.fetch.bind(window);

/** How long to wait between two checks while somebody reads how to start a lesson, in milliseconds. */
const INTERVAL = 1000;
/** How long to wait for the server's answer, in milliseconds. */
const TIMEOUT = 1000;

/** Resolves to the names of the lessons that run. The server looks, because a page may not: the policy of this page
 *  allows requests to its own server only, and a browser reports each failed one on the console. */
async function runningLessons() {
  const response = await fetchUnobserved("/shared/running.json", { signal: AbortSignal.timeout(TIMEOUT) });
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return (await response.json()).running;
}

const popoverOf = (name) => document.getElementById(`start-${name}`);

/** Shows a link for a lesson that runs, and otherwise a button that opens the popover with its command. */
function showRunning(names) {
  for (const item of document.querySelectorAll("nav li[data-lesson]")) {
    const runs = names.includes(item.dataset.lesson);
    const link = item.querySelector("a");
    const button = item.querySelector("button");
    if (link.hidden !== runs) continue;
    const hadFocus = item.contains(document.activeElement);
    link.hidden = !runs;
    button.hidden = runs;
    if (hadFocus) (runs ? link : button).focus();
    popoverOf(item.dataset.lesson).querySelector("[role=status]").textContent = sentence(runs ? "header.runs-now" : "header.then-open-it");
  }
}

/** Follows a link only if there is a server. It may have ended since this page was loaded. */
async function follow(event) {
  const link = event.currentTarget;
  const isPlain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
  if (!isPlain) return;
  event.preventDefault();
  const { lesson } = link.closest("li").dataset;
  let names = [lesson];
  try {
    names = await runningLessons();
    showRunning(names);
  } catch {
    // This server does not answer. But the server of the other lesson may run.
  }
  if (names.includes(lesson)) location.assign(link.href);
  else popoverOf(lesson).showPopover();
}

/** Checks every second while the popover is open. */
async function watchWhileOpen(popover) {
  while (popover.matches(":popover-open")) {
    // If this server does not answer, the next check may find it again.
    await runningLessons().then(showRunning, () => {});
    await new Promise((resume) => setTimeout(resume, INTERVAL));
  }
}

for (const item of document.querySelectorAll("nav li[data-lesson]")) {
  item.querySelector("a").addEventListener("click", follow);
  const popover = popoverOf(item.dataset.lesson);
  popover.addEventListener("toggle", ({ newState }) => {
    if (newState === "open") watchWhileOpen(popover);
  });
}

// On a narrow screen the menu is a strip that scrolls.
const strip = document.querySelector("nav ol");
const current = strip.querySelector("[aria-current]");
const [box, inside] = [strip, current].map((element) => element.getBoundingClientRect());
strip.scrollLeft += inside.left - box.left - (box.width - inside.width) / 2;
