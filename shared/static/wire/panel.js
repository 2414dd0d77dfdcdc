// The panel of the wire: one row for each thing that crossed the network, and what it all adds up to.

const element = (id) => document.getElementById(id);
const rows = element("wire-rows");

/** How many rows are kept; the oldest goes first. */
const MAX_ROWS = 200;
/** How much of a part an open row shows, in characters. */
const MAX_SHOWN = 8192;
/** How near to its end the list must be to follow what comes, in pixels: about a row. */
const NEAR = 40;
/** An update older than this was not measured on one machine, in milliseconds. */
const MAX_AGE = 60_000;

const totals = { requests: 0, updates: 0, vain: 0, bytes: 0, age: null };
/** Whether any of the bytes was computed. */
let computed = false;

function showTotals() {
  element("wire-requests").textContent = totals.requests;
  element("wire-updates").textContent = totals.updates;
  element("wire-vain").textContent = totals.vain;
  element("wire-bytes").textContent = totals.bytes;
  element("wire-bytes").classList.toggle("computed", computed);
  element("wire-cost").textContent = totals.updates ? Math.round(totals.bytes / totals.updates) : "–";
  element("wire-age").textContent = totals.age === null ? "–" : `${totals.age} ms`;
}

element("wire-clear").addEventListener("click", () => {
  Object.assign(totals, { requests: 0, updates: 0, vain: 0, bytes: 0, age: null });
  computed = false;
  rows.replaceChildren();
  showTotals();
});

const utf8 = new TextEncoder();

/** @typedef {{ name: string, text: string, bytes: number, computed: boolean }} Part */

/** A part of a crossing that the page saw.
 *  @returns {Part} */
export const seen = (name, text, bytes = utf8.encode(text).length) => ({ name, text, bytes, computed: false });

/** A part that the page did not see: its bytes follow from what is known.
 *  @returns {Part} */
export const computes = (name, text, bytes = utf8.encode(text).length) => ({ name, text, bytes, computed: true });

/**
 * Adds a row.
 * @param {"up" | "down" | "note"} direction towards the server, from it, or neither
 * @param {string} what in a few words
 * @param {Part[]} parts the bytes
 * @param {number} time in milliseconds since 1970
 * @returns {HTMLLIElement & { parts?: Part[] }} the row
 */
export function add(direction, what, parts = [], time = Date.now()) {
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  const isComputed = parts.some((part) => part.computed);
  totals.bytes += bytes;
  computed ||= isComputed;

  const row = document.createElement("li");
  row.className = direction;
  const line = parts.length ? document.createElement("summary") : document.createElement("p");
  line.append(
    piece("arrow", { up: "↑", down: "↓", note: "·" }[direction], { up: "sent", down: "received", note: "" }[direction]),
    piece("time", clock(time)), piece("what", what), piece("bytes", direction === "note" ? "" : `${isComputed ? "≈ " : ""}${bytes} B`),
  );
  if (parts.length) {
    const details = document.createElement("details");
    details.append(line);
    details.addEventListener("toggle", () => open(details, parts), { once: true });
    row.append(details);
  } else row.append(line);

  const follows = rows.scrollHeight - rows.scrollTop - rows.clientHeight < NEAR;
  rows.append(row);
  if (rows.children.length > MAX_ROWS) rows.firstElementChild.remove();
  if (follows) rows.scrollTop = rows.scrollHeight;
  showTotals();
  return row;
}

/** `22:51:02.123` */
function clock(time) {
  const date = new Date(time);
  return `${date.toLocaleTimeString("en-GB")}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

function piece(name, text, spoken) {
  const span = document.createElement("span");
  span.className = name;
  span.textContent = text;
  if (spoken === undefined) return span;
  span.setAttribute("role", "img");
  span.setAttribute("aria-label", spoken);
  return span;
}

/** Shows the bytes in a row that was opened. */
function open(details, parts) {
  for (const { name, text, bytes, computed } of parts) {
    const title = document.createElement("p");
    title.textContent = `${name}: ${bytes} bytes, ${computed ? "computed" : "seen by the page"}`;
    const pre = document.createElement("pre");
    pre.tabIndex = 0;
    pre.setAttribute("aria-label", name);
    pre.textContent = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}\n… and more` : text;
    details.append(title, pre);
  }
}

/** Counts a request, which waits for its answer until the function that this returns is called. */
export function request(what, parts) {
  totals.requests++;
  const row = add("up", what, parts);
  row.classList.add("waiting");
  return () => row.classList.remove("waiting");
}

/** Counts a request that brought no news. */
export function inVain() {
  totals.vain++;
  showTotals();
}

/** Counts an update of what is at `path`, in which the server's time may stand. */
export function update(path, text) {
  totals.updates++;
  const now = Date.now();
  if (path === "/clock") {
    const time = text.match(/(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)/);
    if (time) showAge(now - new Date(`${time[1]}T${time[2]}`).getTime());
  } else {
    arrived = now;
    if (change !== null) measure();
  }
  showTotals();
}

function showAge(milliseconds) {
  const known = milliseconds >= 0 && milliseconds < MAX_AGE;
  totals.age = known ? milliseconds : null;
}

// When the users changed: the tab that changes them tells all tabs of this browser. Which comes first
// here, this or the update, is open.
const tabs = new BroadcastChannel("wire");
let change = null, arrived = 0;

/** Tells all tabs that a change was sent at `time` and has been made. */
export function changed(time) {
  tabs.postMessage(time);
  hear(time);
}

tabs.onmessage = ({ data }) => hear(data);

function hear(time) {
  change ??= time;
  if (arrived >= change) measure();
  showTotals();
}

function measure() {
  showAge(arrived - change);
  change = null;
}
