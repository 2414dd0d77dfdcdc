// The page of the chat: joining and leaving, and what it shows of a room. socket.js talks to the server, messages.js
// is the list of messages.

import { bidi } from "./message-item.js";
import { MessageList } from "./messages.js";
import { request } from "./requests.js";
import { connect } from "./socket.js";

/** The item of localStorage that remembers the name of this browser, for all its tabs. */
const NAME = "chat-name";
/** For how many milliseconds the page shows that somebody is typing. Who goes on typing says so every two seconds. */
const TYPING_SHOWN = 4_000;
/** How many names of the roster are shown at most. */
const MAX_ROSTER = 200;

const element = (id) => document.getElementById(id);
const fields = { name: element("name"), room: element("room"), text: element("text") };

/**
 * A stay in a room. `roster`: who is in the room; `typists`: who is typing, with the timer that ends it;
 * `recipient`: for whom the next message is, or `null` for all; `recipientId`: the id of that user, once it is known;
 * `unread`: how many messages came while the page was
 * hidden.
 * @typedef {{room: string, name: string, socket: ReturnType<typeof connect>, messages: MessageList,
 *   roster: string[], typists: Map<string, number>, recipient: string | null, recipientId?: string,
 *   token: string, unread: number}} Session
 */
/** @type {Session | null} `null` before joining and after leaving */
let session = null;

// --- Joining and leaving

element("join").addEventListener("submit", (event) => {
  event.preventDefault();
  join(fields.name.value, fields.room.value);
});
element("leave").addEventListener("click", () => leave());

async function join(wantedName, room) {
  showError("");
  const user = await takeName(wantedName);
  if (!user) return;
  rememberName(user.name);
  const address = `/?room=${room}`;
  if (location.pathname + location.search !== address) history.pushState(null, "", address);
  enter(room, user.name, user.token);
}

/** Takes a name and returns it with its token, or `null` if somebody else has it. A browser that has the name
 *  already gets it again. */
async function takeName(name) {
  try {
    return await request("/session", { body: { name } });
  } catch ({ message, status }) {
    showError(status === undefined ? "The server cannot be reached. Is it running?" : message);
    return null;
  }
}

function enter(room, name, token) {
  leave();
  const read = async (query) => {
    const { events } = await request(`/rooms/${room}/messages?${query}`, { token });
    return events.filter(({ event }) => event === "message").map(({ data }) => data);
  };
  const messages = new MessageList(name, {
    before: (id) => read(`before=${id}`),
    after: (id) => read(`after=${id}&wait=0`),
    setRecipient,
  });
  const socket = connect(room, { user: name, token, transport: element("transport").value });
  session = { room, name, token, socket, messages, roster: [], typists: new Map(), recipient: null, unread: 0 };
  listen(session);
  toggleViews(true);
  element("room-title").textContent = `#${room}`;
  element("beginning").textContent = `This is where #${room} begins. Say hello!`;
  setRecipient(null);
  showTitle();
  fields.text.focus();
}

/** Goes back to the form. `reason` is shown if it was not the user who wanted that. */
function leave(reason = "") {
  session?.socket.close();
  session?.messages.close();
  session?.typists.forEach(clearTimeout);
  session = null;
  toggleViews(false);
  showError(reason);
  element("typing").textContent = "";
  element("waiting").textContent = "";
  document.title = "Chat · lesson 6";
}

/** Shows either the room or the form to join one. */
function toggleViews(isInRoom) {
  document.querySelector(".join-card").hidden = isInRoom;
  for (const part of document.querySelectorAll(".talk, .people")) part.hidden = !isInRoom;
  const view = isInRoom ? document.querySelector(".foot") : element("join");
  view.append(element("error"));
}

// One browser has one name, because it has one cookie. When another tab takes another name, this tab has to leave.
addEventListener("storage", ({ key, newValue }) => {
  if (key !== NAME || !session || !newValue || newValue === session.name) return;
  fields.name.value = newValue;
  leave(`Another tab of this browser is ${newValue} now, so you are no longer ${session.name} here.
    For two people use a private window or a second browser.`);
});
addEventListener("popstate", () => location.reload());

function rememberName(name) {
  try {
    localStorage.setItem(NAME, name);
  } catch {
    // The browser forbids storage. Then the user has to type the name again next time.
  }
}

function rememberedName() {
  try {
    return localStorage.getItem(NAME) ?? "";
  } catch {
    return "";
  }
}

// --- What happens in the room

function listen({ socket, messages, name: me }) {
  socket.on("state", showState);
  socket.on("message", (message) => {
    messages.add(message);
    stopTyping(message.from);
    if (document.hidden && message.from !== me) session.unread += 1;
    showTitle();
  });
  socket.on("pending", (draft) => {
    messages.addPending(draft);
    showWaiting();
  });
  socket.on("ack", (receipt) => {
    messages.confirm(receipt);
    showWaiting();
  });
  socket.on("error", ({ key, error }) => {
    const draft = messages.removePending(key);
    showError(error);
    if (draft && fields.text.value === "") fields.text.value = draft.text;
    showWaiting();
  });
  socket.on("reset", () => messages.clear());
  socket.on("roster", ({ names }) => showRoster(names));
  socket.on("joined", ({ name, time }) => {
    messages.add({ name, action: "has joined", time });
    showRoster([...session.roster.filter((other) => other !== name), name].sort());
  });
  socket.on("left", ({ name, time }) => {
    messages.add({ name, action: "has left", time });
    showRoster(session.roster.filter((other) => other !== name));
    stopTyping(name);
  });
  socket.on("typing", ({ name }) => startTyping(name));
}

/** @param {import("./socket.js").State} state */
function showState({ state, transport, why, wait, refused }) {
  const status = element("status");
  const label = { websocket: "WebSocket", sse: "SSE", "long-poll": "long polling" }[transport];
  status.dataset.state = state;
  status.dataset.transport = transport;
  if (state === "open") status.textContent = `connected over ${label}`;
  if (state === "connecting") status.textContent = `connecting over ${label}`;
  if (state === "closed") status.textContent = "not connected";
  if (refused) {
    leave(`${why} Choose your name again.`);
    return;
  }
  if (why) status.textContent += `: ${why}, next attempt in ${Math.ceil(wait / 1000)} s`;
  showWaiting();
}

/** Says how many messages wait for the server, while there is no connection. */
function showWaiting() {
  const count = session.messages.pendingCount;
  const isConnected = element("status").dataset.state === "open";
  let text = "";
  if (count > 0 && !isConnected) {
    const subject = count === 1 ? "1 message waits and is" : `${count} messages wait and are`;
    text = `${subject} sent when the server is back, even if you close this page and come again.`;
  }
  element("waiting").textContent = text;
}

function showRoster(names) {
  session.roster = names;
  const items = names.slice(0, MAX_ROSTER).map(rosterItem);
  if (names.length > MAX_ROSTER) {
    const rest = document.createElement("li");
    rest.textContent = `and ${names.length - MAX_ROSTER} more`;
    items.push(rest);
  }
  const roster = element("roster");
  const focusedName = roster.contains(document.activeElement) ? document.activeElement.textContent : undefined;
  roster.replaceChildren(...items);
  const buttons = [...roster.querySelectorAll("button")];
  buttons.find((button) => button.textContent === focusedName)?.focus();
  element("people-title").textContent = `Who is here (${names.length})`;
}

function rosterItem(name) {
  const item = document.createElement("li");
  if (name === session.name) item.append(bidi(name), " (you)");
  else item.append(rosterButton(name));
  return item;
}

function rosterButton(name) {
  const button = document.createElement("button");
  button.type = "button";
  button.dir = "auto";
  button.textContent = name;
  button.setAttribute("aria-pressed", name === session.recipient);
  button.addEventListener("click", () => setRecipient(name === session.recipient ? null : name));
  return button;
}

function startTyping(name) {
  clearTimeout(session.typists.get(name));
  session.typists.set(name, setTimeout(() => stopTyping(name), TYPING_SHOWN));
  showTyping();
}

function stopTyping(name) {
  if (!session) return;
  clearTimeout(session.typists.get(name));
  if (session.typists.delete(name)) showTyping();
}

function showTyping() {
  const names = [...session.typists.keys()];
  const typing = element("typing");
  typing.replaceChildren();
  if (names.length === 0) return;
  if (names.length > 3) {
    typing.append("Several people are typing …");
    return;
  }
  names.forEach((name, index) => {
    const isLast = index === names.length - 1;
    if (index > 0) typing.append(isLast ? " and " : ", ");
    typing.append(bidi(name));
  });
  typing.append(names.length === 1 ? " is typing …" : " are typing …");
}

function showTitle() {
  const { unread, room, name } = session;
  const count = unread > 0 ? `(${unread}) ` : "";
  document.title = `${count}#${room} · ${name}`;
}

document.addEventListener("visibilitychange", () => {
  if (!session || document.hidden) return;
  session.unread = 0;
  showTitle();
});

// --- Writing

element("send").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = fields.text.value;
  if (text.trim() === "") return;
  fields.text.value = "";
  showError("");
  const { recipient, recipientId } = session;
  const to = recipient ?? undefined;
  session.socket.emit("message", { text, to, to_id: recipientId }).catch(({ message, status }) => {
    if (status !== undefined) return; // The server has refused the message. The event `error` says that, too.
    // Too many messages are waiting. This one has not become one of them, so it goes back into the field.
    showError(message);
    fields.text.value = text;
  });
});

fields.text.addEventListener("input", () => {
  // `typing` goes to everybody in the room, so a private message must not cause it.
  if (session.recipient === null && fields.text.value !== "") session.socket.emit("typing");
});
fields.text.addEventListener("keydown", ({ key, isComposing }) => {
  if (key === "Escape" && !isComposing) setRecipient(null);
});
element("to-all").addEventListener("click", () => setRecipient(null));
element("transport").addEventListener("change", ({ target }) => session?.socket.setTransport(target.value));

/** Sends the next messages to `name` only, or to all (`null`). */
function setRecipient(name) {
  if (name === session.name) return;
  session.recipient = name;
  findRecipient();
  const back = element("to-all");
  back.hidden = name === null;
  back.replaceChildren("Only to ", bidi(name ?? ""));
  back.setAttribute("aria-label", `Only to ${name}. Click to write to all again.`);
  element("send").classList.toggle("private", name !== null);
  fields.text.placeholder = name === null ? "Say something to all" : `Only ${name} will see this`;
  for (const button of element("roster").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", button.textContent === name);
  }
  fields.text.focus();
}

/** Finds out who holds the name now: a message that has to wait must not go to a later holder of the name. */
async function findRecipient() {
  const { recipient, token } = session;
  session.recipientId = undefined;
  if (recipient === null) return;
  try {
    const { id } = await request(`/names/${encodeURIComponent(recipient)}`, { token });
    if (session?.recipient === recipient) session.recipientId = id;
  } catch {
    // Without the id, the message goes to whoever holds the name when it is sent.
  }
}

function showError(message) {
  element("error").textContent = message;
}

// --- The page has loaded

// On a narrow screen the strip of lessons scrolls, and this lesson is at its end.
const strip = document.querySelector("nav ol");
strip.scrollLeft = strip.scrollWidth;

const requestedRoom = new URLSearchParams(location.search).get("room");
fields.room.value = requestedRoom ?? fields.room.value;
fields.name.value = rememberedName();
// After a reload the user is in the same room again.
if (requestedRoom && fields.name.value && fields.room.checkValidity()) join(fields.name.value, requestedRoom);
else fields.name.focus();
