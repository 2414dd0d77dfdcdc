// The page of the chat: who you are, which room, what you say. How that travels is the business of socket.js.

import { bidi } from "./message-item.js";
import { MessageList } from "./messages.js";
import { connect } from "./socket.js";

/** Where the name that this browser has taken is remembered, for all its tabs. */
const NAME = "chat-name";
/** For how many milliseconds somebody is said to be typing. They tell it every two seconds. */
const TYPING = 4_000;
/** How many names are listed at most. */
const NAMES = 200;

const element = (id) => document.getElementById(id);
const fields = { name: element("name"), room: element("room"), text: element("text") };

/** Where we are, and as whom; `null` outside. */
let visit = null;

// --- Coming and going

element("join").addEventListener("submit", (event) => {
  event.preventDefault();
  join(fields.name.value, fields.room.value);
});
element("leave").addEventListener("click", () => leave());

async function join(wanted, room) {
  complain("");
  const session = await takeName(wanted);
  if (!session) return;
  const { name, token } = session;
  remember(name);
  const address = `/?room=${room}`;
  if (location.pathname + location.search !== address) history.pushState(null, "", address);
  enter(room, name, token);
}

/** The name and its token, if nobody else has it; this browser's own it gets back. */
async function takeName(name) {
  try {
    const headers = { "Content-Type": "application/json" };
    const response = await fetch("/session", { method: "POST", headers, body: JSON.stringify({ name }) });
    const answer = await response.json();
    if (response.ok) return answer;
    complain(answer.error);
  } catch {
    complain("The server cannot be reached. Is it running?");
  }
  return null;
}

function enter(room, name, token) {
  leave();
  const socket = connect(room, { user: name, token, transport: element("transport").value });
  const read = async (query) => {
    const headers = { Authorization: `Bearer ${token}` };
    const response = await fetch(`/rooms/${room}/messages?${query}`, { headers, cache: "no-store" });
    const { events } = await response.json();
    return events.filter(({ event }) => event === "message").map(({ data }) => data);
  };
  const messages = new MessageList(name, {
    before: (id) => read(`before=${id}`),
    after: (id) => read(`after=${id}&wait=0`),
    setRecipient: choose,
  });
  visit = { room, name, socket, messages, names: [], typists: new Map(), to: null, unread: 0 };
  listen(visit);
  show(true);
  element("room-title").textContent = `#${room}`;
  element("beginning").textContent = `This is where #${room} begins. Say hello!`;
  choose(null);
  showTitle();
  fields.text.focus();
}

/** Back to the form, with a sentence about why if it was not the user's wish. */
function leave(why = "") {
  visit?.socket.close();
  visit?.messages.close();
  visit?.typists.forEach(clearTimeout);
  visit = null;
  show(false);
  complain(why);
  element("typing").textContent = element("waiting").textContent = "";
  document.title = "Chat · lesson 6";
}

function show(inside) {
  document.querySelector(".join-card").hidden = inside;
  for (const part of document.querySelectorAll(".talk, .people")) part.hidden = !inside;
  const place = inside ? document.querySelector(".foot") : element("join");
  place.append(element("error"));
}

/** One browser has one name, because it has one cookie. If another tab takes another name, this one must
 *  not go on. */
addEventListener("storage", ({ key, newValue }) => {
  if (key !== NAME || !visit || !newValue || newValue === visit.name) return;
  fields.name.value = newValue;
  leave(`Another tab of this browser is ${newValue} now, so you are no longer ${visit.name} here.
    For two people use a private window or a second browser.`);
});
addEventListener("popstate", () => location.reload());

function remember(name) {
  try {
    localStorage.setItem(NAME, name);
  } catch {
    // Then the name has to be typed again next time.
  }
}

function remembered() {
  try {
    return localStorage.getItem(NAME) ?? "";
  } catch {
    return "";
  }
}

// --- What happens in the room

function listen(visit) {
  const { socket, messages, name, typists } = visit;
  socket.on("state", showState);
  socket.on("message", (message) => {
    messages.add(message);
    stopTyping(message.from);
    if (document.hidden && message.from !== name) visit.unread += 1;
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
    complain(error);
    if (draft && fields.text.value === "") fields.text.value = draft.text;
    showWaiting();
  });
  socket.on("reset", () => messages.clear());
  socket.on("roster", ({ names }) => showRoster(names));
  socket.on("joined", ({ name, time }) => {
    messages.add({ name, action: "has joined", time });
    showRoster([...visit.names.filter((other) => other !== name), name].sort());
  });
  socket.on("left", ({ name, time }) => {
    messages.add({ name, action: "has left", time });
    showRoster(visit.names.filter((other) => other !== name));
    stopTyping(name);
  });
  socket.on("typing", ({ name }) => {
    clearTimeout(typists.get(name));
    typists.set(name, setTimeout(() => stopTyping(name), TYPING));
    showTyping();
  });
}

function showState({ state, transport, why, wait, refused }) {
  const status = element("status");
  const over = { websocket: "WebSocket", sse: "SSE", "long-poll": "long polling" }[transport];
  status.dataset.state = state;
  status.dataset.transport = transport;
  if (state === "open") status.textContent = `connected over ${over}`;
  if (state === "connecting") status.textContent = `connecting over ${over}`;
  if (state === "closed") status.textContent = "not connected";
  if (why && !refused) status.textContent += `: ${why}, next attempt in ${Math.ceil(wait / 1000)} s`;
  if (refused) leave(`${why} Choose your name again.`);
  else showWaiting();
}

function showWaiting() {
  const count = visit.messages.pendingCount;
  const away = element("status").dataset.state !== "open" && count > 0;
  const what = count === 1 ? "1 message waits and is" : `${count} messages wait and are`;
  element("waiting").textContent = away ? `${what} sent when the server is back, even if you close this page and come again.` : "";
}

function showRoster(names) {
  visit.names = names;
  const items = names.slice(0, NAMES).map((name) => {
    const item = document.createElement("li");
    if (name === visit.name) item.append(bidi(name), " (you)");
    else item.append(rosterButton(name));
    return item;
  });
  if (names.length > NAMES) {
    const rest = document.createElement("li");
    rest.textContent = `and ${names.length - NAMES} more`;
    items.push(rest);
  }
  const focused = element("roster").contains(document.activeElement) && document.activeElement.textContent;
  element("roster").replaceChildren(...items);
  if (focused) [...element("roster").querySelectorAll("button")].find((button) => button.textContent === focused)?.focus();
  element("people-title").textContent = `Who is here (${names.length})`;
}

function rosterButton(name) {
  const button = document.createElement("button");
  button.type = "button";
  button.dir = "auto";
  button.textContent = name;
  button.setAttribute("aria-pressed", name === visit.to);
  button.addEventListener("click", () => choose(name === visit.to ? null : name));
  return button;
}

function stopTyping(name) {
  clearTimeout(visit?.typists.get(name));
  if (visit?.typists.delete(name)) showTyping();
}

function showTyping() {
  const names = [...visit.typists.keys()];
  const typing = element("typing");
  typing.replaceChildren();
  if (names.length > 3) typing.append("Several people are typing …");
  else if (names.length > 0) {
    names.forEach((name, place) => typing.append(place === 0 ? "" : place === names.length - 1 ? " and " : ", ", bidi(name)));
    typing.append(names.length === 1 ? " is typing …" : " are typing …");
  }
}

function showTitle() {
  const { unread, room, name } = visit;
  document.title = `${unread > 0 ? `(${unread}) ` : ""}#${room} · ${name}`;
}

document.addEventListener("visibilitychange", () => {
  if (!visit || document.hidden) return;
  visit.unread = 0;
  showTitle();
});

// --- What you say

element("send").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = fields.text.value;
  if (text.trim() === "") return;
  fields.text.value = "";
  complain("");
  // A message that is refused comes back as an `error`; one that could not be taken is still here.
  visit.socket.emit("message", { text, to: visit.to ?? undefined }).catch(({ message, status }) => {
    if (status !== undefined) return;
    complain(message);
    fields.text.value = text;
  });
});

fields.text.addEventListener("input", () => {
  // Who writes to one person does not tell it to all.
  if (visit.to === null && fields.text.value !== "") visit.socket.emit("typing");
});
fields.text.addEventListener("keydown", ({ key, isComposing }) => {
  if (key === "Escape" && !isComposing) choose(null);
});
element("to-all").addEventListener("click", () => choose(null));
element("transport").addEventListener("change", ({ target }) => visit?.socket.setTransport(target.value));

/** From now on what is said is for `name` only, or for all (`null`). */
function choose(name) {
  if (name === visit.name) return;
  visit.to = name;
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

function complain(sentence) {
  element("error").textContent = sentence;
}

// --- The page has loaded

// Where the lessons are a strip that scrolls, this one is at its end.
const strip = document.querySelector("nav ol");
strip.scrollLeft = strip.scrollWidth;

const asked = new URLSearchParams(location.search).get("room");
fields.room.value = asked ?? fields.room.value;
fields.name.value = remembered();
// After a reload, one is where one was.
if (asked && fields.name.value && fields.room.checkValidity()) join(fields.name.value, asked);
else fields.name.focus();
