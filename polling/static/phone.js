// The page behind the QR code. Opening it tells the server that the code was scanned; what happens
// then is for the person to choose.

/** How long to wait for an answer before giving up, in milliseconds. */
const TIMEOUT = 10_000;

const element = (id) => document.getElementById(id);

/** Sends one of the ticket's requests, beside this page: `scan`, `confirm`, `refuse`. Shows the
 *  server's sentence if it is refused. Resolves to whether it went well. */
async function send(request, body) {
  element("error").textContent = "";
  element("choice").disabled = true;
  try {
    const headers = body ? { "Content-Type": "application/json" } : {};
    const signal = AbortSignal.timeout(TIMEOUT);
    const response = await fetch(request, { method: "POST", headers, body: body && JSON.stringify(body), signal });
    if (response.ok) return true;
    element("error").textContent = (await response.json()).error;
    // A name that is refused can be mended; a ticket that has ended cannot.
    if (response.status === 404 || response.status === 409) finish("closed", "This code cannot be used.");
  } catch {
    element("error").textContent = "The server cannot be reached. Try again.";
  }
  element("choice").disabled = false;
  return false;
}

function say(state, text) {
  element("status").dataset.state = state;
  element("status").textContent = text;
}

/** The end: there is nothing more to choose. */
function finish(state, text) {
  element("confirm").hidden = true;
  say(state, text);
}

let scanned = false;

/** Tells the server once that this phone is here. Resolves to whether it knows. */
async function scan() {
  if (!scanned && (await send("scan"))) {
    scanned = true;
    say("connecting", "Scanned. The other screen waits for your answer.");
    element("choice").disabled = false;
  }
  return scanned;
}

element("confirm").addEventListener("submit", async (event) => {
  event.preventDefault();
  const input = element("username");
  const username = input.value;
  // The first scan may have failed because the phone had no network for a moment.
  if ((await scan()) && (await send("confirm", { username }))) {
    finish("open", "Confirmed. The other screen is logged in.");
  } else input.focus();
});
element("refuse").addEventListener("click", async () => {
  if (await send("refuse")) finish("closed", "Refused. The other screen is not logged in.");
});

if (await scan()) element("username").focus();
