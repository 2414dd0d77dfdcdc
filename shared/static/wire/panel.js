// The panel of the wire: one row for each thing that crossed the network, and what it all adds up to.

import { arrived, forget, whenMeasured } from "/shared/wire/age.js";

const element = (id) => document.getElementById(id);
const rows = element("wire-rows");

/** How many rows are kept; the oldest goes first. */
const MAX_ROWS = 200;
/** How much of a part an open row shows, in characters. */
const MAX_SHOWN = 8192;
/** How near to its end the list must be to follow what comes, in pixels: about a row. */
const NEAR = 40;

// What crossed.

/** @typedef {{ name: string, text: string, bytes: number, isComputed: boolean }} Part */

const lengthOf = (text) => new TextEncoder().encode(text).length;

/** A part of a crossing that the page saw.
 *  @returns {Part} */
export const seen = (name, text, bytes = lengthOf(text)) => ({ name, text, bytes, isComputed: false });

/** A part that the page did not see: its bytes follow from what is known.
 *  @returns {Part} */
export const computed = (name, text, bytes = lengthOf(text)) => ({ name, text, bytes, isComputed: true });

/** What is around a chunk of so many bytes: its length in hexadecimal and two line ends (RFC 9112 §7.1).
 *  @returns {Part} */
export function chunk(bytes) {
  const length = bytes.toString(16).toUpperCase();
  return computed("Chunk around it", `${length}\\r\\n … \\r\\n`, length.length + 4);
}

/** Bytes as people write them: `81 7f`. */
export const hex = (bytes) => [...bytes.slice(0, MAX_SHOWN / 4)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");

// The totals.

const totals = {};
reset([]);

/** Starts again, with the requests that are still open. */
function reset(open) {
  forget();
  const bytes = open.reduce((sum, row) => sum + Number(row.dataset.bytes), 0);
  Object.assign(totals, { requests: open.length, vain: 0, updates: 0, bytes, begun: Date.now() });
  rows.replaceChildren(...open);
  element("wire-age").textContent = "–";
  showTotals();
}

function showTotals() {
  const { requests, vain, updates, bytes, begun } = totals;
  const seconds = (Date.now() - begun) / 1000;
  element("wire-requests").textContent = requests;
  element("wire-vain").textContent = vain;
  element("wire-updates").textContent = updates;
  element("wire-bytes").textContent = bytes;
  about("wire-cost", updates ? Math.round(bytes / updates) : null);
  element("wire-time").textContent = `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
  // Of less than a few seconds it would only be the start.
  about("wire-rate", seconds < 5 ? null : Math.round((bytes / seconds) * 60));
}

/** Shows a number that is not exact, or that there is none. */
function about(id, number) {
  element(id).textContent = number ?? "–";
  element(id).classList.toggle("about", number !== null);
}

setInterval(showTotals, 1000);
element("wire-clear").addEventListener("click", () => reset([...rows.querySelectorAll("[data-state]")]));
whenMeasured((age, of) => {
  element("wire-age").textContent = age === null ? "–" : `${age} ms`;
  element("wire-age-of").textContent = `Age of the last update (${of})`;
});

/**
 * Counts a request and adds its row, which says that it is waiting. Call `goesOn` when there is an answer that
 * does not end, and `end` when all is over.
 */
export function request(what, parts) {
  totals.requests++;
  const row = add("up", what, parts);
  row.dataset.state = "waiting";
  return {
    goesOn: () => (row.dataset.state = "open"),
    end: () => delete row.dataset.state,
  };
}

/** Counts a request that brought no news. */
export function inVain() {
  totals.vain++;
  showTotals();
}

/** Counts an update of what is at `path`. */
export function update(path, text) {
  totals.updates++;
  arrived(path, text);
  showTotals();
}

// The rows.

let follows = true;
rows.addEventListener("scroll", () => {
  follows = rows.scrollHeight - rows.scrollTop - rows.clientHeight < NEAR;
});

/** Adds a row without bytes, for what the page noticed. */
export const note = (what) => add("note", what, []);

/**
 * Adds a row.
 * @param {"up" | "down" | "note"} direction towards the server, from it, or neither
 * @param {string} what in a few words
 * @param {Part[]} parts the bytes
 * @param {number} time in milliseconds since 1970
 * @returns {HTMLLIElement & { parts: Part[] }} the row
 */
export function add(direction, what, parts, time = Date.now()) {
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  totals.bytes += bytes;
  const sign = parts.some((part) => part.isComputed) ? "≈ " : "";
  const row = document.createElement("li");
  row.className = direction;
  row.dataset.bytes = bytes;
  const line = document.createElement(parts.length ? "summary" : "p");
  line.append(arrow(direction), piece("time", clock(time)), piece("what", what));
  line.append(piece("bytes", direction === "note" ? "" : `${sign}${bytes} B`));
  row.parts = parts;
  row.append(parts.length ? details(line, parts) : line);
  rows.append(row);
  // What is open is not done with.
  if (rows.children.length > MAX_ROWS) rows.querySelector("li:not([data-state])")?.remove();
  if (follows) rows.scrollTop = rows.scrollHeight;
  showTotals();
  return row;
}

/** Adds a part to a row, which came later than the others. */
export function extend(row, part) {
  row.parts.push(part);
  row.dataset.bytes = Number(row.dataset.bytes) + part.bytes;
  totals.bytes += part.bytes;
  const bytes = row.querySelector(".bytes");
  bytes.textContent = bytes.textContent.replace(/\d+/, row.dataset.bytes);
  if (row.querySelector("pre")) row.firstElementChild.append(...showPart(part));
  showTotals();
}

/** `22:51:02.123` */
function clock(time) {
  const date = new Date(time);
  return `${date.toLocaleTimeString("en-GB")}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

function piece(name, text) {
  const span = document.createElement("span");
  span.className = name;
  span.textContent = text;
  return span;
}

/** A sign for the eye, and a word for the ear. */
function arrow(direction) {
  const span = piece("arrow", { up: "↑", down: "↓", note: "·" }[direction]);
  const word = { up: "sent", down: "received" }[direction];
  if (word) span.setAttribute("role", "img");
  span.setAttribute(word ? "aria-label" : "aria-hidden", word ?? "true");
  return span;
}

/** A row that can be opened, and then shows its bytes. */
function details(line, parts) {
  const box = document.createElement("details");
  line.tabIndex = -1; // One tab stop for the whole list; the arrow keys lead from row to row.
  box.append(line);
  box.addEventListener("toggle", () => {
    if (box.children.length === 1) for (const part of parts) box.append(...showPart(part));
    if (box.open) box.scrollIntoView({ block: "nearest" });
  });
  return box;
}

function showPart({ name, text, bytes, isComputed }) {
  const title = document.createElement("p");
  title.textContent = isComputed ? `${name}: ≈ ${bytes} bytes, computed` : `${name}: ${bytes} bytes, seen by the page`;
  const pre = document.createElement("pre");
  pre.tabIndex = 0; // It may be long, and then scrolls.
  pre.setAttribute("aria-label", name);
  pre.textContent = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}\n… and more` : text.trimEnd();
  return [title, pre];
}

rows.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || event.target.matches("pre") || event.altKey || event.ctrlKey || event.metaKey) return;
  const lines = [...rows.querySelectorAll("summary")];
  // Upwards from the list itself to the newest row.
  const index = lines.indexOf(document.activeElement);
  const next = lines.at(index === -1 ? (step === 1 ? 0 : -1) : Math.min(Math.max(index + step, 0), lines.length - 1));
  next?.focus();
  event.preventDefault();
});
