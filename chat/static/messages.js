// The list of messages: a window of at most 300 items on a log that may hold 10,000. It follows the end while
// the reader is there; who scrolls up gets what is older, and then nothing moves under the reader's eyes.

/** How many items are on the page at most: enough to scroll, and little to lay out. */
const MOST = 300;
/** How near to an end, in pixels, the reader has to be to be there. */
const NEAR = 80;
/** How long to collect what arrives before it is shown, in milliseconds: a frame of the screen. */
const COLLECT = 16;
/** So many at once are history and not news: no screen reader should read them all out. */
const HISTORY = 5;

const element = (id) => document.getElementById(id);

/** @typedef {{id: number, from: string, text: string, time: string, to?: string}} Message */
/** @typedef {{key: string, text: string, to?: string}} Draft */

/**
 * Shows what is said in a room.
 * @param {string} me the reader's name
 * @param {{before: (id: string) => Promise<Message[]>, after: (id: string) => Promise<Message[]>,
 *   choose: (name: string) => void, empty: (isEmpty: boolean) => void}} room how to read the log in both
 *   directions, and what to do when a name is clicked
 */
export function showMessages(me, { before, after, choose }) {
  const [scroller, list, older, newer, beginning] = ["scroll", "messages", "older", "newer", "beginning"].map(element);
  const shown = new Map(); // The items by the id of their message.
  const pending = new Map(); // And those that have none yet, by their key.
  let recent = []; // The newest messages, for the way back from the past.
  let queue = [];
  let following = true; // The list ends with the newest message.
  let atEnd = true; // And the reader sees it.
  let [missed, newest, loading, begun, closed] = [0, 0, false, false, false];

  function add(item) {
    if (queue.push(item) === 1) setTimeout(show, COLLECT);
  }

  function show() {
    const arrived = queue.splice(0);
    if (closed || arrived.length === 0) return;
    const messages = arrived.filter(({ id }) => id !== undefined);
    recent = [...recent, ...messages].slice(-MOST);
    const full = list.children.length + arrived.length > MOST;
    // Without the oldest items the rest would move; without the newest ones nothing does.
    if (full && !atEnd) following = false;
    if (following) append(arrived.slice(-MOST));
    missed = atEnd && following ? 0 : missed + messages.filter(({ from }) => from !== me).length;
    update();
  }

  function append(items) {
    quietlyIf(items.length > HISTORY);
    items.forEach(place);
    trim();
    regroup();
    if (atEnd) toEnd();
    if (below() <= 0 && scroller.scrollTop === 0) look(); // Nobody can scroll to where the rest would be read.
  }

  /** Puts a message or a notice in its place. Of one's own, the item may be there already. */
  function place(item) {
    if (item.id === undefined) return list.insertBefore(noticeItem(item), firstPending());
    if (shown.has(item.id)) return;
    const mine = item.from === me && [...pending].find(([, { draft }]) => draft.text === item.text && draft.to === item.to);
    if (mine) return confirm({ ...item, key: mine[0] });
    put(messageItem(item, me, choose), item.id);
  }

  function put(item, id) {
    let next = firstPending();
    // An ack may overtake the messages before its own.
    if (id < newest) next = [...list.children].find((other) => Number(other.dataset.id) > id) ?? next;
    list.insertBefore(item, next);
    shown.set(id, item);
    newest = Math.max(newest, id);
  }

  function firstPending() {
    return list.querySelector("[data-pending]");
  }

  function wait(draft) {
    if (pending.has(draft.key)) return;
    if (!following || !atEnd) toNewest();
    const item = messageItem({ ...draft, from: me }, me, choose);
    pending.set(draft.key, { draft, item });
    list.append(item);
    regroup();
    toEnd();
    update();
  }

  function confirm({ key, id, time }) {
    const item = pending.get(key)?.item;
    if (!pending.delete(key)) return;
    item.remove();
    if (!following || shown.has(id)) return;
    item.dataset.id = id;
    delete item.dataset.pending;
    item.dataset.date = time.slice(0, 10);
    item.querySelector("time").replaceWith(timeOf(time));
    put(item, id);
    regroup();
    if (atEnd) toEnd();
  }

  function withdraw(key) {
    const waiting = pending.get(key);
    waiting?.item.remove();
    pending.delete(key);
    update();
    return waiting?.draft;
  }

  /** Takes the oldest items away. They are still in the log. */
  function trim() {
    while (list.children.length > MOST) {
      take(list.firstChild);
      begun = false;
    }
  }

  function take(item) {
    shown.delete(Number(item.dataset.id));
    item.remove();
  }

  /** Who said the thing before, and on which day. */
  function regroup() {
    let [author, day] = [];
    for (const item of list.children) {
      const { from, date } = item.dataset;
      item.classList.toggle("again", from !== undefined && from === author && (!date || date === day));
      if (date && date !== day) item.dataset.day = date;
      else delete item.dataset.day;
      author = from;
      day = date ?? day;
    }
  }

  // --- Back and forth in the log

  const ids = () => [...list.children].map(({ dataset }) => dataset.id).filter(Boolean);

  async function goBack() {
    const [first] = ids();
    if (begun || !first) return;
    const messages = await before(first);
    begun = messages.length === 0;
    keepPlace(() => {
      const items = messages.map((message) => messageItem(message, me, choose));
      items.forEach((item) => shown.set(Number(item.dataset.id), item));
      list.prepend(...items);
      if (list.children.length <= MOST) return;
      following = false;
      pending.forEach(({ item }) => item.remove());
      while (list.children.length > MOST) take(list.lastChild);
    });
  }

  async function goForth() {
    const last = ids().at(-1);
    const here = recent.filter(({ id }) => id > last);
    const joined = recent.length === 0 || recent[0].id <= last;
    const messages = joined ? here : await after(last);
    if (following) return;
    following = messages.length === 0 || messages.at(-1).id >= recent.at(-1)?.id;
    keepPlace(() => {
      messages.forEach((message) => shown.has(message.id) || put(messageItem(message, me, choose), message.id));
      trim();
      if (following) pending.forEach(({ item }) => list.append(item));
    });
  }

  /** Makes a change around what the reader is looking at, which stays where it is. */
  function keepPlace(change) {
    quietlyIf(true);
    const top = scroller.getBoundingClientRect().top;
    const place = (item) => item.getBoundingClientRect();
    const anchors = [...list.children].filter((item) => place(item).bottom > top).map((item) => [item, place(item).top]);
    change();
    regroup();
    const [item, was] = anchors.find(([item]) => item.isConnected) ?? [];
    if (item) scroller.scrollTop += place(item).top - was;
  }

  function toNewest() {
    if (!following) {
      list.replaceChildren();
      shown.clear();
      [following, newest, begun] = [true, 0, false];
      atEnd = true;
      append(recent);
      pending.forEach(({ item }) => list.append(item));
    }
    toEnd();
    update();
  }

  function toEnd() {
    atEnd = true;
    missed = 0;
    scroller.scrollTop = scroller.scrollHeight;
  }

  /** Loads what is near, if the reader is near an end of what there is. */
  async function look() {
    measure();
    const go = scroller.scrollTop < NEAR && !begun ? goBack : !following && below() < NEAR ? goForth : null;
    if (!go || loading || closed || ids().length === 0) return;
    loading = true;
    // The button is still there, and the next movement tries again.
    await go().catch(() => {});
    loading = false;
    measure();
  }

  const below = () => scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop;

  function measure() {
    atEnd = following && below() < NEAR;
    if (atEnd) missed = 0;
    update();
  }

  function update() {
    if (closed) return;
    older.hidden = begun || ids().length === 0;
    beginning.hidden = !begun && list.children.length > 0;
    newer.hidden = atEnd && following;
    newer.textContent = missed === 0 ? "To the newest messages" : missed === 1 ? "1 new message" : `${missed} new messages`;
  }

  function quietlyIf(quiet) {
    list.setAttribute("aria-live", quiet ? "off" : "polite");
  }

  const over = new AbortController();
  scroller.addEventListener("scroll", look, { signal: over.signal });
  older.addEventListener("click", () => (scroller.scrollTop = 0) || look(), { signal: over.signal });
  newer.addEventListener("click", toNewest, { signal: over.signal });
  const resized = new ResizeObserver(() => atEnd && toEnd());
  resized.observe(scroller);

  function clear() {
    list.replaceChildren(...[...pending.values()].map(({ item }) => item));
    shown.clear();
    [recent, queue, following, newest, begun] = [[], [], true, 0, false];
    update();
  }

  function close() {
    pending.clear();
    clear();
    closed = true;
    over.abort();
    resized.disconnect();
  }

  update();
  return { add, wait, confirm, withdraw, clear, close, count: () => pending.size };
}

/** A message, or one that is still on its way: then it has no id and no time. */
function messageItem({ id, from, text, time, to }, me, choose) {
  const item = document.createElement("li");
  item.dataset.from = JSON.stringify([from, to]);
  if (id === undefined) item.dataset.pending = "";
  else item.dataset.id = id;
  if (time) item.dataset.date = time.slice(0, 10);
  item.classList.toggle("mine", from === me);
  item.classList.toggle("private", to !== undefined);
  const name = document.createElement("p");
  name.className = "author";
  name.append(from === me ? bidi(from) : nameButton(from, choose));
  if (to !== undefined) name.append(" only to ", to === me ? "you" : bidi(to));
  const said = document.createElement("p");
  said.className = "text";
  said.dir = "auto";
  said.textContent = text;
  const bubble = document.createElement("div");
  bubble.append(said, timeOf(time));
  item.append(name, bubble);
  return item;
}

/** A name that can be clicked. The keyboard finds each name once, in the list of who is here. */
function nameButton(from, choose) {
  const button = document.createElement("button");
  button.type = "button";
  button.tabIndex = -1;
  button.dir = "auto";
  button.textContent = from;
  button.title = `Say something to ${from} only`;
  button.addEventListener("click", () => choose(from));
  return button;
}

/** A name in a sentence, whichever way it is written. */
export function bidi(name) {
  const text = document.createElement("bdi");
  text.textContent = name;
  return text;
}

/** The server's time, of which the date is shown once a day. */
function timeOf(time) {
  const shown = document.createElement("time");
  if (!time) {
    shown.textContent = "waiting";
    return shown;
  }
  const date = document.createElement("span");
  date.className = "unseen";
  date.textContent = `${time.slice(0, 10)} `;
  shown.dateTime = time;
  shown.title = time;
  shown.append(date, time.slice(11));
  return shown;
}

function noticeItem({ name, did, time }) {
  const item = document.createElement("li");
  item.className = "notice";
  item.append(bidi(name), ` ${did} `, timeOf(time));
  return item;
}
