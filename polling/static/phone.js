// The page behind the QR code. When it opens, it reports to the server that the code was scanned. Then
// the person confirms or refuses the login.

import { LANGUAGE, sentence } from "/shared/sentences.js";

/** How long to wait for a response before giving up, in milliseconds. */
const TIMEOUT = 10_000;

const element = (id) => document.getElementById(id);

/** Sends a POST to `scan`, `confirm` or `refuse`, which are relative to the URL of this page. Shows the
 *  error message if it fails. Resolves to whether it succeeded. */
async function send(path, body) {
  element("error").textContent = "";
  element("choice").disabled = true;
  try {
    const headers = body ? { "Content-Type": "application/json" } : {};
    const signal = AbortSignal.timeout(TIMEOUT);
    const response = await fetch(path, { method: "POST", headers, body: body && JSON.stringify(body), signal });
    if (response.ok) return true;
    showError((await response.json()).error, "en");
    // The person can correct a name that was rejected, but cannot use a ticket that has ended.
    if (response.status === 404 || response.status === 409) finish("closed", sentence("phone.unusable"));
  } catch {
    showError(sentence("phone.unreachable"), LANGUAGE);
  }
  element("choice").disabled = false;
  return false;
}

/** Shows an error. The error sentences of the server are in English on every page. */
function showError(text, language) {
  element("error").lang = language;
  element("error").textContent = text;
}

function showStatus(state, text) {
  element("status").dataset.state = state;
  element("status").textContent = text;
}

/** Hides the form, because there is nothing more to choose, and shows the outcome. */
function finish(state, text) {
  element("confirm").hidden = true;
  showStatus(state, text);
}

let scanned = false;

/** Reports the scan to the server, unless it has been reported. Resolves to whether it has. */
async function scan() {
  if (!scanned && (await send("scan"))) {
    scanned = true;
    showStatus("connecting", sentence("phone.scanned"));
    element("choice").disabled = false;
  }
  return scanned;
}

element("confirm").addEventListener("submit", async (event) => {
  event.preventDefault();
  const input = element("username");
  const username = input.value;
  // The scan may have failed when the page was opened, because the phone had no network for a moment.
  if ((await scan()) && (await send("confirm", { username }))) {
    finish("open", sentence("phone.confirmed"));
  } else {
    input.focus();
  }
});
element("refuse").addEventListener("click", async () => {
  if (await send("refuse")) finish("closed", sentence("phone.refused"));
});

if (await scan()) element("username").focus();
