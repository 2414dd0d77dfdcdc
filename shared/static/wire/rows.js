// The rows of the wire: one for each thing that crossed the network. A row opens and then shows its bytes.

import { sentence } from "/shared/sentences.js";
import { digitGroups } from "/shared/wire/numbers.js";

/** How many rows are kept; the oldest goes first. */
const MAX_ROWS = 200;
/** How much of a part an open row shows, in characters. */
const MAX_SHOWN = 8192;
/** How near to its end the list must be to follow new rows, in pixels: about a row. */
const NEAR_END = 40;

/** How a row starts: a sign for the eye, and a word for a screen reader. */
const SIGNS = { up: ["↑", "wire.sent"], down: ["↓", "wire.received"], note: ["·", null] };

/** What a row adds about a request that is not over. */
const STATES = { queued: "wire.queued", waiting: "wire.waiting", open: "wire.open" };

/** The list. */
export const rows = document.getElementById("wire-rows");

let isAtEnd = true;
rows.addEventListener("scroll", () => {
  isAtEnd = rows.scrollHeight - rows.scrollTop - rows.clientHeight < NEAR_END;
});

/** Whether the list is on the page: it may be in a `details` that is closed. */
let isShown = true;
// A list that was hidden begins at its start when it is shown.
new ResizeObserver(([{ contentRect }]) => {
  const appears = !isShown && contentRect.height > 0;
  isShown = contentRect.height > 0;
  if (appears && isAtEnd && !isRead()) rows.scrollTop = rows.scrollHeight;
}).observe(rows);

/** The list stands still while somebody reads: while an open row is in sight, or a row is selected. */
const isRead = () => [...rows.querySelectorAll("details[open], .selected")].some(isInSight);

function isInSight(item) {
  const [box, list] = [item.getBoundingClientRect(), rows.getBoundingClientRect()];
  return box.bottom > list.top && box.top < list.bottom;
}

/**
 * Appends the row of a crossing and returns the rows that had to go for it.
 * @param {import("/shared/wire/panel.js").Crossing} crossing
 * @returns {Element[]}
 */
export function appendRow(crossing) {
  const row = document.createElement("li");
  row.id = crossing.id;
  row.className = crossing.direction;
  const hasParts = crossing.parts.length > 0;
  const line = document.createElement(hasParts ? "summary" : "p");
  line.append(sign(crossing.direction), span("time", ""), span("what", crossing.what), span("bytes", ""));
  row.append(hasParts ? details(line, crossing) : line);
  crossing.row = row;
  refreshRow(crossing);
  // While the list is hidden there is nothing to scroll, and to ask where it is would lay out the page for each row.
  const follows = isShown && isAtEnd && !isRead();
  rows.append(row);
  // A request that is open stays: it is not over.
  const oldest = rows.children.length > MAX_ROWS ? rows.querySelector("li:not([data-state])") : null;
  oldest?.remove();
  if (follows) rows.scrollTop = rows.scrollHeight;
  return oldest ? [oldest] : [];
}

/** Shows what has changed about a crossing: its time, its number of bytes, or the state of its request. */
export function refreshRow({ row, direction, time, isLate, bytes, parts, isCounted, state }) {
  row.dataset.bytes = isCounted ? bytes : 0;
  row.dataset.time = time;
  row.querySelector(".time").textContent = `${isLate ? "≤ " : ""}${clock(time)}`;
  if (direction === "note") return;
  const isEstimated = parts.some((part) => part.isEstimated);
  row.querySelector(".bytes").replaceChildren(isEstimated ? "≈ " : "", ...digitGroups(bytes), " B");
  showState(row, state);
}

/** Shows the state of a request. The style sheet puts the remark after the title of the row. */
function showState(row, state) {
  const title = row.querySelector(".what");
  if (state === null) {
    delete row.dataset.state;
    delete title.dataset.remark;
  } else {
    row.dataset.state = state;
    title.dataset.remark = sentence(STATES[state]);
  }
}

/** Shows a part that came later than the others, if the row has been opened. */
export function appendPart({ row }, part) {
  if (row.querySelector("pre")) row.firstElementChild.append(...partElements(part));
}

/** Whether the list was at its end before `selectRow` scrolled it. */
let returnsToEnd = false;

/** Selects the row with this id and brings it into sight inside the list; null selects none.
 *  @param {string | null} id */
export function selectRow(id) {
  rows.querySelector(".selected")?.classList.remove("selected");
  const row = id && document.getElementById(id);
  if (row) {
    row.classList.add("selected");
    if (!isInSight(row)) bringIntoSight(row);
  } else if ((isAtEnd || returnsToEnd) && !isRead()) {
    rows.scrollTop = rows.scrollHeight;
    returnsToEnd = false;
  }
}

/** Scrolls the list, and not the page, as `scrollIntoView` might. */
function bringIntoSight(row) {
  returnsToEnd ||= isAtEnd;
  rows.scrollTop += row.getBoundingClientRect().top - rows.getBoundingClientRect().top - rows.clientHeight / 2;
}

/** Opens the row with this id and focuses it. */
export function openRow(id) {
  const box = document.getElementById(id)?.querySelector("details");
  if (!box) return;
  box.open = true;
  box.firstElementChild.focus();
}

/** Returns the time of day: `22:51:02.123`. */
export function clock(time) {
  const date = new Date(time);
  return `${date.toTimeString().slice(0, 8)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

function span(name, text) {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}

function sign(direction) {
  const [arrow, word] = SIGNS[direction];
  const element = span("arrow", arrow);
  if (word === null) {
    element.setAttribute("aria-hidden", "true");
  } else {
    element.setAttribute("role", "img");
    element.setAttribute("aria-label", sentence(word));
  }
  return element;
}

/** Returns a row's content that can be opened, and then shows the bytes. */
function details(line, { parts }) {
  const box = document.createElement("details");
  line.tabIndex = -1; // One tab stop for the whole list; the arrow keys lead from row to row.
  box.append(line);
  box.addEventListener("toggle", () => {
    if (box.children.length === 1) for (const part of parts) box.append(...partElements(part));
    if (box.open) box.scrollIntoView({ block: "nearest" });
  });
  return box;
}

function partElements({ name, text, bytes, isEstimated }) {
  const part = sentence(name);
  const title = document.createElement("p");
  const [before, after] = sentence(isEstimated ? "wire.computed" : "wire.seen", { part }).split("{bytes}");
  title.append(before, ...digitGroups(bytes), after);
  const pre = document.createElement("pre");
  pre.tabIndex = 0; // It may be long, and then scrolls.
  pre.setAttribute("aria-label", part);
  pre.textContent = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}\n${sentence("wire.and-more")}` : text.trimEnd();
  return [title, pre];
}

rows.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || event.target.matches("pre") || event.altKey || event.ctrlKey || event.metaKey) return;
  const lines = [...rows.querySelectorAll("summary")];
  const position = lines.indexOf(document.activeElement);
  let next = position + step;
  if (position === -1) next = step === 1 ? 0 : lines.length - 1; // From the list itself, upwards to the newest row.
  lines[Math.min(Math.max(next, 0), lines.length - 1)]?.focus();
  event.preventDefault();
});
