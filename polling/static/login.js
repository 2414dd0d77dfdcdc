// The login page: shows a QR code, and asks every second what has become of it.

/** How long to wait after an answer before asking again, in milliseconds. A person notices that news
 *  is a second late, but is not disturbed by it yet. */
const INTERVAL = 1000;
/** How long to wait for an answer before giving up, in milliseconds. */
const TIMEOUT = 10_000;

/** What the page says in each state. Only the first two are not the end. */
const SENTENCES = {
  waiting: "Waiting for a phone to scan the code.",
  scanned: "Scanned. Now confirm on the phone.",
  confirmed: "Logged in as",
  consumed: "This code has been used already.",
  refused: "The login was refused on the phone.",
  expired: "This code has expired.",
};

const element = (id) => document.getElementById(id);

/** Shows a new code and watches it until its end. */
async function start() {
  element("again").hidden = true;
  element("error").textContent = "";
  try {
    const response = await ask("/login", "POST");
    const ticket = await response.json();
    if (!response.ok) throw new Error(ticket.error);
    showCode(ticket);
    poll(ticket.id);
  } catch (error) {
    say("closed", "There is no code.");
    element("error").textContent = sentence(error);
    element("again").hidden = false;
  }
}

/** Asks for the state of the ticket, and again a second after the answer, so that polls never
 *  overlap. What cannot be reached for a moment is asked again, too. */
async function poll(id) {
  try {
    const response = await ask(`/login/${id}`);
    // After a restart the server knows no ticket any more.
    const ticket = response.status === 404 ? { status: "expired" } : await response.json();
    if (ticket.error) throw new Error(ticket.error);
    element("error").textContent = "";
    if (showState(ticket)) return;
  } catch (error) {
    element("error").textContent = sentence(error);
  }
  setTimeout(poll, INTERVAL, id);
}

const ask = (path, method = "GET") => fetch(path, { method, signal: AbortSignal.timeout(TIMEOUT) });

/** What went wrong. `fetch` reports a server out of reach in words that differ from browser to browser. */
function sentence(error) {
  const unreachable = error instanceof TypeError || error.name === "TimeoutError";
  return unreachable ? "The server cannot be reached. Is it running?" : error.message;
}

function showCode({ url, svg, expires_in }) {
  element("qr").src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  element("link").href = url;
  element("seconds").textContent = expires_in;
  element("host").textContent = location.hostname;
  element("loopback").hidden = !/^(localhost|127\..*|\[::1\])$/.test(location.hostname);
  element("code").hidden = false;
  showState({ status: "waiting" });
}

/** Says what has become of the ticket, and returns whether that is its end. */
function showState({ status, username }) {
  const going = status === "waiting" || status === "scanned";
  const state = going ? "connecting" : status === "confirmed" ? "open" : "closed";
  say(state, SENTENCES[status] ?? status, username);
  element("code").hidden = status !== "waiting";
  element("again").hidden = going || status === "confirmed";
  return !going;
}

/** Shows a sentence, and at its end perhaps a name, which may be written from right to left. */
function say(state, text, name) {
  const status = element("status");
  const line = document.createElement("span");
  line.append(text);
  if (name !== undefined) {
    const isolated = document.createElement("bdi");
    isolated.textContent = name;
    line.append(" ", isolated, ".");
  }
  if (status.textContent === line.textContent) return; // A screen reader would say it again.
  status.dataset.state = state;
  status.replaceChildren(line);
}

element("again").addEventListener("click", start);
start();
