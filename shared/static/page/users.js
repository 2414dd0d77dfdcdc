// The list of users, and the form that adds one.

import { NOTHING, announce, element, happenings, ownMessage, serverMessage } from "/shared/page/dom.js";
import { setText, showMessage, timeOfDay } from "/shared/page/dom.js";
import { UNREACHABLE, send, withPatience } from "/shared/page/requests.js";
import { sentence } from "/shared/sentences.js";

/** A change that comes so long after the last click here was made elsewhere, in milliseconds. */
const ELSEWHERE = 3000;
/** A version that grows by more than this at once belongs to a server that was started again: a server begins with the
 *  time, in milliseconds. */
const RESTART = 100;

/** The version on the page, and when it arrived. */
let shownVersion = null;
let shownAt = 0;
/** When somebody has last changed something here. */
let lastClick = -Infinity;
/** Called when the next list with a new user arrives. */
let onNewUser = null;

const say = (message) => showMessage(element("error"), message);

happenings.addEventListener("state", ({ detail }) => {
  if (detail.state === "open" && element("error").textContent === UNREACHABLE.text) say(NOTHING);
});

/** Returns whether `snapshot` is what `showUsers` needs.
 *  @param {unknown} snapshot */
export function isSnapshot(snapshot) {
  const { version, users } = snapshot ?? {};
  const isUser = (user) => Number.isInteger(user?.id) && typeof user?.username === "string";
  return Number.isInteger(version) && Array.isArray(users) && users.every(isUser);
}

/** Puts the users of a snapshot on the page. Those that are there already stay untouched, so that a
 *  screen reader tells only the difference, and focus stays where it is. */
export function showUsers({ version, users }) {
  const list = element("users");
  const isFirst = shownVersion === null;
  const isRestart = !isFirst && isOtherServer(version);
  const focused = [...list.children].findIndex((item) => item.contains(document.activeElement));
  const added = updateItems(list, users, isFirst);
  if (focused !== -1 && !list.contains(document.activeElement)) focusNear(list, focused);
  const isRead = list.matches(":hover") || list.contains(document.activeElement);
  if (added > 0 && !isFirst && !isRead) list.scrollTop = list.scrollHeight;
  setText(element("users-title"), sentence("users.title-and-count", { count: users.length }));
  showVersion(version);
  if (added > 0) onNewUser?.();
  if (version === shownVersion) return;
  const isElsewhere = !isFirst && !isRestart && performance.now() - lastClick > ELSEWHERE;
  shownVersion = version;
  shownAt = Date.now();
  if (isRestart) {
    setText(element("notice"), sentence("users.restarted"));
  } else if (!isFirst) setText(element("notice"), "");
  announce("list", { isElsewhere, isRestart });
}

/** Returns whether the version is that of a server that was started after the last one was shown. */
function isOtherServer(version) {
  return version < shownVersion || (version > shownVersion + RESTART && version >= shownAt);
}

/** Removes, adds and moves items until they are those of `users`. Returns how many are new. */
function updateItems(list, users, isFirst) {
  const names = new Map(users.map(({ id, username }) => [String(id), username]));
  // A server that was started again may have given the id to somebody else.
  for (const item of [...list.children]) if (names.get(item.dataset.id) !== item.textContent) item.remove();
  const items = new Map([...list.children].map((item) => [item.dataset.id, item]));
  users.forEach((user, index) => {
    const item = items.get(String(user.id)) ?? userItem(user, !isFirst);
    const there = list.children[index];
    if (there !== item) list.insertBefore(item, there ?? null);
  });
  return users.length - items.size;
}

/** Moves the focus from an item that was removed to the one that is in its place now. */
function focusNear(list, index) {
  const item = list.children[Math.min(index, list.children.length - 1)];
  (item?.querySelector("button") ?? element("username")).focus();
}

function userItem({ id, username }, isNew) {
  const item = document.createElement("li");
  item.dataset.id = id;
  if (isNew) item.className = "new";
  const name = document.createElement("span");
  name.dir = "auto";
  name.textContent = username;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "remove";
  button.setAttribute("aria-label", sentence("users.remove", { username }));
  button.addEventListener("click", () => remove(id, button));
  item.append(name, button);
  return item;
}

function showVersion(version) {
  if (version === shownVersion) return;
  const digits = version.toLocaleString("en").replaceAll(",", "\u202f");
  setText(element("version"), sentence("users.version", { version: digits, time: timeOfDay() }));
}

async function remove(id, button) {
  if (button.ariaDisabled === "true") return; // Clicked twice.
  button.ariaDisabled = "true";
  lastClick = performance.now();
  say(await send("DELETE", `/users/${id}`, null, say));
  lastClick = performance.now();
  button.ariaDisabled = "false";
}

/** Sends a new user as a request. */
const post = (username) => send("POST", "/users", { username }, say);

/** Returns the sentence for what client.js has reported: the server's error, or the state of a connection. */
function refusalMessage(refusal) {
  if (typeof refusal?.error === "string") return serverMessage(refusal.error);
  if (typeof refusal === "string") return ownMessage(refusal);
  return ownMessage(sentence("users.socket-not-open"));
}

/** Sends a new user as client.js does. The answer is the next list, or an error. */
function sendAsClient(addUser, username) {
  const answer = new Promise((resolve) => {
    onNewUser = () => resolve(NOTHING);
    addUser(username, (refusal) => resolve(refusalMessage(refusal)));
  });
  return withPatience(answer, say).finally(() => (onNewUser = null));
}

/** Sets up the form that adds a user.
 *  @param {(username: string, refused: (refusal: object) => void) => void} [addUser] of client.js; without it, a
 *    request */
export function setUpForm(addUser) {
  const form = element("add");
  const input = form.elements.username;
  const button = form.querySelector("button");
  let isBusy = false;

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (isBusy) return; // Sent twice.
    isBusy = true;
    button.ariaDisabled = "true";
    lastClick = performance.now();
    say(NOTHING);
    const username = input.value;
    const error = addUser ? await sendAsClient(addUser, username) : await post(username);
    isBusy = false;
    button.ariaDisabled = "false";
    lastClick = performance.now();
    say(error);
    if (error.text) return;
    if (input.value === username) input.value = ""; // Otherwise the next name is being typed.
    announce("added", { overSocket: addUser !== undefined });
  });
  input.addEventListener("input", () => say(NOTHING));
}
