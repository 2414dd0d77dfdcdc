// The list of users, and the form that adds one.

import { announce, element, happenings, setText } from "/shared/page/dom.js";
import { UNREACHABLE, send, withPatience } from "/shared/page/requests.js";
import { describe } from "/shared/page/watchers.js";

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

const say = (sentence) => setText(element("error"), sentence);

happenings.addEventListener("state", ({ detail }) => {
  if (detail.state === "open" && element("error").textContent === UNREACHABLE) say("");
});

/** Returns what is wrong with a snapshot, if anything.
 *  @param {unknown} snapshot */
export function complainAboutSnapshot(snapshot) {
  const { version, users } = snapshot ?? {};
  const isUser = (user) => Number.isInteger(user?.id) && typeof user?.username === "string";
  if (Number.isInteger(version) && Array.isArray(users) && users.every(isUser)) return null;
  return `${describe(snapshot)}. It has to be { version, users: [{ id, username }] }`;
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
  setText(element("users-title"), `Users (${users.length})`);
  showVersion(version);
  if (added > 0) onNewUser?.();
  if (version === shownVersion) return;
  const isElsewhere = !isFirst && !isRestart && performance.now() - lastClick > ELSEWHERE;
  shownVersion = version;
  shownAt = Date.now();
  if (isRestart) {
    setText(element("notice"), "The server was started again, and this is its list. Unless it has a file for it (--users), what was added before is forgotten.");
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
  button.setAttribute("aria-label", `Remove ${username}`);
  button.addEventListener("click", () => remove(id, button));
  item.append(name, button);
  return item;
}

function showVersion(version) {
  if (version === shownVersion) return;
  const digits = version.toLocaleString("en").replaceAll(",", "\u202f");
  setText(element("version"), `version ${digits}, arrived at ${new Date().toLocaleTimeString("en-GB")}`);
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

/** Sends a new user as client.js does. The answer is the next list, or an error. */
function sendAsClient(addUser, username) {
  const answer = new Promise((resolve) => {
    onNewUser = () => resolve("");
    addUser(username, resolve);
  });
  return withPatience(answer, say).finally(() => (onNewUser = null));
}

/** Sets up the form that adds a user.
 *  @param {(username: string, refused: (error: string) => void) => void} [addUser] of client.js; without it, a request */
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
    say("");
    const username = input.value;
    const error = addUser ? await sendAsClient(addUser, username) : await post(username);
    isBusy = false;
    button.ariaDisabled = "false";
    lastClick = performance.now();
    say(error);
    if (error) return;
    if (input.value === username) input.value = ""; // Otherwise the next name is being typed.
    announce("added", { overSocket: addUser !== undefined });
  });
  input.addEventListener("input", () => say(""));
}
