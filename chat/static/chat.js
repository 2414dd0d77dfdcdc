// The page of the chat: joining and leaving a room, and which part of the page shows what happens in it. socket.js
// talks to the server, messages.js is the list of messages, composer.js is the form in which they are written.

import "/shared/wire.js"; // It must be around `fetch` and the like before the first request.
import { sentence } from "/shared/sentences.js";
import { pause } from "./back-off.js";
import { Composer } from "./composer.js";
import { ConnectionStatus } from "./connection-status.js";
import { element, showError } from "./elements.js";
import { MessageList } from "./messages.js";
import { isolated, withNames } from "./names.js";
import { inWords } from "./reasons.js";
import { request } from "./requests.js";
import { Roster } from "./roster.js";
import { connect } from "./socket.js";
import { TypingLine } from "./typing-line.js";

/** The item of localStorage that remembers the name of this browser, for all its tabs. */
const NAME = "chat-name";
/** How often a page of the log is requested if the server asks to wait. */
const MAX_READS = 3;
/** On a screen that is narrower, the settings are a menu. The style sheet has the same width. */
const NARROW = matchMedia("(max-width: 52rem)");

/** The title of the page before joining. */
const TITLE = document.title;

const fields = { name: element("name"), room: element("room") };

/**
 * A stay in a room. `unread`: how many messages have come while the page was hidden; `delay`: why the server does not
 * store the reader's next message yet, if it does not; `closing` ends the parts of the page.
 * @typedef {{room: string, name: string, socket: ReturnType<typeof connect>, messages: MessageList, roster: Roster,
 *   typing: TypingLine, composer: Composer, status: ConnectionStatus, closing: AbortController, unread: number,
 *   delay: import("./requests.js").Reason | null}} Session
 */
/** @type {Session | null} `null` before joining and after leaving */
let session = null;

// --- Joining and leaving

element("join").addEventListener("submit", (event) => {
  event.preventDefault();
  join(fields.name.value, fields.room.value);
});
element("join").addEventListener("input", () => showError());
element("leave").addEventListener("click", () => leave());

async function join(wantedName, room) {
  const button = element("join-button");
  if (button.disabled) return;
  button.disabled = true;
  button.textContent = sentence("join.joining");
  showError();
  const user = await takeName(wantedName);
  button.disabled = false;
  button.textContent = sentence("join.join");
  if (!user) return;
  rememberName(user.name);
  const address = `/?room=${room}`;
  if (location.pathname + location.search !== address) history.pushState(null, "", address);
  enter(room, user.name, user.token);
}

/** Takes a name and returns it with its token, or `null` if that is not possible. A browser that has the name already
 *  gets it again. */
async function takeName(name) {
  try {
    return await request("/session", { body: { name } });
  } catch ({ reason }) {
    showError(inWords(reason));
    fields.name.focus();
    return null;
  }
}

function enter(room, name, token) {
  leave();
  // The link to the other language leads back into the room.
  for (const link of document.querySelectorAll("a.language")) link.search = `?room=${room}&language=${link.hreflang}`;
  const closing = new AbortController();
  const socket = connect(room, { user: name, token, transport: element("transport").value });
  const messages = new MessageList(name, {
    before: (id) => readLog(`/rooms/${room}/messages?before=${id}`, token),
    after: (id) => readLog(`/rooms/${room}/messages?after=${id}&wait=0`, token),
    setRecipient: (recipient) => composer.setRecipient(recipient),
  });
  const roster = new Roster(name, (recipient) => composer.setRecipient(recipient));
  showView("room");
  const composer = new Composer(name, composerOptions(socket, roster, token), closing.signal);
  const status = new ConnectionStatus(socket, closing.signal);
  const typing = new TypingLine();
  session = { room, name, socket, messages, roster, typing, composer, status, closing, unread: 0, delay: null };
  listen(session);
  element("room-title").textContent = `#${room}`;
  element("beginning").textContent = sentence("messages.beginning", { room });
  showTitle();
}

function composerOptions(socket, roster, token) {
  return {
    send: (message) => socket.emit("message", message),
    sendTyping: () => socket.emit("typing"),
    findId: async (name) => (await request(`/names/${encodeURIComponent(name)}`, { token })).id,
    isPresent: (name) => roster.has(name),
    onRecipient: (name) => roster.markRecipient(name),
  };
}

/** Requests a page of the log and returns its messages. Such requests count against the user's rate: the server may
 *  ask to wait for a moment, for example when somebody scrolls back quickly. */
async function readLog(path, token) {
  for (let reads = 1; ; reads += 1) {
    try {
      const { events } = await request(path, { token });
      return events.filter(({ event }) => event === "message").map(({ data }) => data);
    } catch (error) {
      if (error.wait === undefined || reads === MAX_READS) throw error;
      await pause(error.wait);
    }
  }
}

/** Goes back to the form. `reason` is shown if it was not the user who wanted that: the parts of a sentence. */
function leave(...reason) {
  session?.closing.abort();
  session?.socket.close();
  session?.messages.close();
  session?.typing.close();
  session = null;
  showView("join");
  showError(...reason);
  element("waiting").textContent = "";
  document.title = TITLE;
}

/** Shows either the form to `join`, or the `room`. The errors stand where the user is looking. */
function showView(view) {
  document.documentElement.dataset.view = view;
  for (const part of document.querySelectorAll("[data-part]")) part.hidden = part.dataset.part !== view;
  element(`${view}-error`).append(element("error"));
}

// One browser has one name, because it has one cookie. When another tab takes another name, this tab has to leave.
addEventListener("storage", ({ key, newValue }) => {
  if (key !== NAME || !session || !newValue || newValue === session.name) return;
  fields.name.value = newValue;
  leave(sentence("join.other-tab", { other: isolated(newValue), name: isolated(session.name) }));
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

function listen(current) {
  const { socket, messages, roster, typing, name: me } = current;
  socket.on("state", showState);
  socket.on("message", (message) => {
    messages.add(message);
    typing.stop(message.from);
    if (document.hidden && message.from !== me) current.unread += 1;
    showTitle();
  });
  socket.on("reset", () => {
    messages.clear();
    messages.add({ kind: "reset" });
  });
  socket.on("roster", ({ names }) => showPresence(() => roster.show(names)));
  socket.on("joined", ({ name, time }) => {
    messages.add({ kind: "joined", name, time });
    showPresence(() => roster.add(name));
  });
  socket.on("left", ({ name, time }) => {
    messages.add({ kind: "left", name, time });
    showPresence(() => roster.remove(name));
    typing.stop(name);
  });
  socket.on("typing", ({ name }) => typing.start(name));
  listenToOutbox(current);
}

/** Shows what becomes of the reader's own messages. */
function listenToOutbox({ socket, messages, composer }) {
  const on = (event, show) => {
    socket.on(event, (data) => {
      session.delay = event === "delayed" ? data.reason : null;
      show(data);
      showWaiting();
    });
  };
  on("pending", (draft) => messages.addPending(draft));
  on("sending", (sending) => messages.noteAttempt(sending));
  on("delayed", () => {});
  on("ack", (receipt) => messages.confirm(receipt));
  on("error", ({ key, reason }) => {
    const draft = messages.removePending(key);
    const isForNobody = draft?.to !== undefined && reason.status === 404;
    showError(isForNobody ? sentence("write.not-sent", { name: isolated(draft.to) }) : inWords(reason));
    if (draft) composer.restore(draft.text);
  });
}

function showPresence(change) {
  change();
  session.composer.updatePresence();
}

/** @param {import("./socket.js").State} state */
function showState(state) {
  const { status, messages } = session;
  status.show(state);
  if (state.isRefused) {
    const reason = inWords(state.why);
    if (state.why.status === 401) leave(...withNames("join.choose-again", { reason }));
    else leave(reason);
    return;
  }
  if (status.isOpen) messages.retryEarlier();
  showWaiting();
}

/** Says how many messages wait for the server, and why. */
function showWaiting() {
  const { messages, status, delay } = session;
  const count = messages.pendingCount;
  const isOne = count === 1;
  let key;
  if (count > 0 && !status.isOpen) key = isOne ? "waiting.one" : "waiting.several";
  if (count > 0 && status.isOpen && delay) key = isOne ? "waiting.one-delayed" : "waiting.several-delayed";
  const reason = delay ? inWords(delay) : "";
  element("waiting").replaceChildren(...(key ? withNames(key, { count, reason }) : []));
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

// --- Settings

element("transport").addEventListener("change", ({ target }) => session?.socket.setTransport(target.value));

/** On a wide screen the settings are always in sight; on a narrow one they are a menu that is closed at first. */
function fitSettings() {
  element("settings").open = !NARROW.matches;
}
NARROW.addEventListener("change", fitSettings);
fitSettings();
addEventListener("click", ({ target }) => {
  if (NARROW.matches && !element("settings").contains(target)) element("settings").open = false;
});
addEventListener("keydown", ({ key }) => {
  if (NARROW.matches && key === "Escape") element("settings").open = false;
});

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
