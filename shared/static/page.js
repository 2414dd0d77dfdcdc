// The page around a lesson: it shows what the lesson's client.js hears, and sends what is typed.
// Nothing here knows how the news gets from the server to the browser.

import "/shared/wire.js"; // It must be around `fetch` and the like before client.js is loaded.

const element = (id) => document.getElementById(id);

/** Puts the users of a snapshot on the page. Those that are there already stay untouched, so that a
 *  screen reader tells only the difference. */
function showUsers({ version, users }) {
  const list = element("users");
  const shown = new Map([...list.children].map((item) => [item.dataset.id, item]));
  const first = shown.size === 0;
  users.forEach((user, index) => {
    let item = shown.get(String(user.id));
    // A server that was restarted may have given the id to somebody else.
    if (item?.textContent !== user.username) item = userItem(user, !first);
    if (list.children[index] !== item) list.insertBefore(item, list.children[index] ?? null);
  });
  while (list.children.length > users.length) list.lastChild.remove();
  element("users-title").textContent = `Users (${users.length})`;
  element("version").textContent = `version ${version}, arrived at ${new Date().toLocaleTimeString("en-GB")}`;
}

function userItem({ id, username }, isNew) {
  const item = document.createElement("li");
  item.dataset.id = id;
  if (isNew) item.className = "new";
  const name = document.createElement("span");
  name.textContent = username;
  const remove = document.createElement("button");
  remove.type = "button";
  remove.className = "remove";
  remove.setAttribute("aria-label", `Remove ${username}`);
  remove.addEventListener("click", () => send("DELETE", `/users/${id}`));
  item.append(name, remove);
  return item;
}

const UNREACHABLE = "The server cannot be reached. Is it running?";

/** Sends a request and shows the server's sentence if it is refused. Resolves to whether it went well. */
async function send(method, path, body) {
  const error = element("error");
  error.textContent = "";
  try {
    const headers = body ? { "Content-Type": "application/json" } : {};
    const response = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
    if (!response.ok) error.textContent = (await response.json()).error;
    return response.ok;
  } catch {
    error.textContent = UNREACHABLE;
    return false;
  }
}

// What each watcher says of its connection. The page shows the state of the one that is worst off.
const connections = new Map();
/** The states a connection can be in, in the order in which they matter to the reader. */
const WORST_FIRST = ["closed", "connecting", "open"];

function showStatus() {
  const ranked = WORST_FIRST.flatMap((state) => [...connections.values()].filter((c) => c.state === state));
  const { state, detail } = ranked[0] ?? { state: "closed", detail: "" };
  const status = element("status");
  const text = connections.size === 0 ? "off: nothing is being watched" : detail ? `${state}: ${detail}` : state;
  if (status.textContent === text) return; // A screen reader would say it again.
  status.dataset.state = state;
  status.classList.toggle("off", connections.size === 0);
  status.textContent = text;
  if (state === "open" && element("error").textContent === UNREACHABLE) element("error").textContent = "";
}

/** Lets a button start and stop a watcher, which tells its news to `show`. */
function toggle(name, watch, show) {
  const button = element(`${name}-toggle`);
  let stop = null;
  button.addEventListener("click", () => {
    if (stop) {
      stop();
      stop = null;
      connections.delete(name);
    } else {
      connections.set(name, { state: "connecting" });
      stop = watch(show, (state, detail) => {
        if (!connections.has(name)) return; // It was stopped, and speaks of its end.
        connections.set(name, { state, detail });
        showStatus();
      });
    }
    button.setAttribute("aria-pressed", stop !== null);
    element(name).classList.toggle("stale", stop === null);
    showStatus();
  });
  return button;
}

element("add").addEventListener("submit", async (event) => {
  event.preventDefault();
  const input = event.target.elements.username;
  if (await send("POST", "/users", { username: input.value })) input.value = "";
  input.focus();
});
element("cut")?.addEventListener("click", () => send("POST", "/cut"));

try {
  const { watchUsers, watchClock } = await import("/static/client.js");
  toggle("clock", watchClock, (time) => (element("clock").textContent = time));
  toggle("users", watchUsers, showUsers).click();
} catch (error) {
  element("status").dataset.state = "closed";
  element("status").textContent = "closed: client.js has an error";
  element("error").textContent = `client.js: ${error}`;
  throw error;
}
