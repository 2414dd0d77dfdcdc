// The login page: shows a QR code and asks every second for the status of the login.

import { LANGUAGE, sentence } from "/shared/sentences.js";
import "/shared/wire.js"; // Shows what this page sends and receives.

/** How long to wait after a response before the next request, in milliseconds. A person notices that
 *  an update is a second late, but is not disturbed by it yet. */
const INTERVAL = 1000;
/** How long to wait for a response before giving up, in milliseconds. */
const TIMEOUT = 10_000;

/** The sentence that the page shows for each status. Only the first two can still change. */
const MESSAGES = {
  waiting: "login.waiting",
  scanned: "login.scanned",
  confirmed: "login.confirmed",
  consumed: "login.consumed",
  refused: "login.refused",
  expired: "login.expired",
};

const element = (id) => document.getElementById(id);

/** Until when the code can be used, on the clock of `performance.now()`. */
let deadline = 0;
/** Whether the login can still succeed, so that the seconds count. */
let isPending = false;
/** How many times this page has asked for the status. */
let polls = 0;

/** Creates a ticket, shows its code, and polls until the login has ended. */
async function startLogin() {
  element("again").hidden = true;
  element("error").textContent = "";
  polls = 0;
  try {
    const response = await send("/login", "POST");
    const ticket = await response.json();
    if (!response.ok) throw new Error(ticket.error);
    showCode(ticket);
    poll(ticket.id);
  } catch (error) {
    showStatus("closed", sentence("login.no-code"));
    showError(error);
    element("again").textContent = sentence("login.new-code");
    element("again").hidden = false;
  }
}

/** Requests the status of the ticket, and again one second after the response, so that polls never
 *  overlap. An error does not end this: the next poll may succeed. */
async function poll(id) {
  polls += 1;
  showTimes();
  try {
    const response = await send(`/login/${id}`);
    // After a restart the server has no tickets.
    const ticket = response.status === 404 ? { status: "expired" } : await response.json();
    if (ticket.error) throw new Error(ticket.error);
    element("error").textContent = "";
    if (showTicket(ticket)) return;
  } catch (error) {
    showError(error);
  }
  setTimeout(poll, INTERVAL, id);
}

const send = (path, method = "GET") => fetch(path, { method, signal: AbortSignal.timeout(TIMEOUT) });

/** Shows an error. If there is no response, `fetch` throws a TypeError, whose text differs from browser
 *  to browser. The error sentences of the server are in English on every page. */
function showError(error) {
  const isUnreachable = error instanceof TypeError || error.name === "TimeoutError";
  element("error").lang = isUnreachable ? LANGUAGE : "en";
  element("error").textContent = isUnreachable ? sentence("login.unreachable") : error.message;
}

function showCode({ url, svg, expires_in }) {
  element("qr").src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  element("link").href = url;
  deadline = performance.now() + expires_in * 1000;
  element("host").textContent = location.hostname;
  element("loopback").hidden = !/^(localhost|127\..*|\[::1\])$/.test(location.hostname);
  element("code").hidden = false;
  showTicket({ status: "waiting" });
}

/** Shows the status of the ticket. Returns whether the login has ended. */
function showTicket({ status, username }) {
  isPending = status === "waiting" || status === "scanned";
  const isConfirmed = status === "confirmed";
  let state = "closed";
  if (isPending) state = "connecting";
  if (isConfirmed) state = "open";
  showStatus(state, sentence(MESSAGES[status]), username);
  element("code").hidden = status !== "waiting";
  element("again").textContent = sentence(isConfirmed ? "login.again" : "login.new-code");
  element("again").hidden = isPending;
  showTimes();
  return !isPending;
}

/** Shows how long the code can still be used, and what the polling has cost so far. */
function showTimes() {
  const seconds = Math.max(0, Math.ceil((deadline - performance.now()) / 1000));
  element("deadline").textContent = isPending ? sentence("login.deadline", { seconds }) : "";
  element("polls").textContent = sentence(polls === 1 ? "login.asked-once" : "login.asked", { count: polls });
}

/** Shows a message, with `name` in place of `{name}`. `<bdi>` isolates the name, because it may be
 *  written from right to left. */
function showStatus(state, text, name) {
  const status = element("status");
  const line = document.createElement("span");
  const [before, after] = text.split("{name}");
  line.append(before);
  if (after !== undefined) {
    const isolated = document.createElement("bdi");
    isolated.textContent = name;
    line.append(isolated, after);
  }
  if (status.textContent === line.textContent) return; // Otherwise a screen reader would read it again.
  status.dataset.state = state;
  status.replaceChildren(line);
}

element("again").addEventListener("click", startLogin);
setInterval(showTimes, INTERVAL / 2);
startLogin();
