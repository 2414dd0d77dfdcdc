// The list of messages. The log of a room may hold 10,000 messages; the list is a window of at most 300 of them:
//
//   the log             1 ──────────────────────────────── 10,000
//   the list follows                           [ 9,701 … 10,000 ]
//   the reader reads back      [ 4,201 … 4,500 ]
//
// The list follows when the window ends with the newest message. New messages are then added below, and the oldest
// items are removed. A reader who scrolls to the top gets older messages, and the newest items are removed: the list
// does not follow any more. At the bottom it is the other way round, until the list follows again. What the reader is
// looking at never moves.

import { sentence } from "/shared/sentences.js";
import { Deliveries } from "./delivery.js";
import { EarlierMessages } from "./earlier.js";
import { markGroups } from "./groups.js";
import { MessageItem, noticeItem } from "./message-item.js";
import { distanceToEnd, keepPosition } from "./scrolling.js";
import { markTabStop, moveWithArrows } from "./tab-stop.js";

/** How many messages and notices the list has at most: enough to scroll, and few enough to lay out. */
const MAX_ITEMS = 300;
/** A reader who is so near to an end of the list, in pixels, is at that end. */
const EDGE_PX = 80;
/** For how many milliseconds the list collects what arrives before it shows it: one frame of the screen. */
const BATCH_MS = 16;
/** A screen reader reads out so many new items at most. More at once are history and not news. */
const MAX_ANNOUNCED = 5;

/** @typedef {import("./message-item.js").Message} Message */
/** @typedef {import("./message-item.js").Notice} Notice */
/** @typedef {import("./outbox.js").Draft} Draft */
/** @typedef {{id?: number, element: Element, item?: MessageItem}} Entry an item of the list, and the id of its message;
 *  a notice has none */

const element = (id) => document.getElementById(id);

/** The messages of one room, on the page. */
export class MessageList {
  #me;
  #options;
  #deliveries = new Deliveries();
  #earlier;
  #scroller = element("scroll");
  #list = element("messages");
  #older = element("older");
  #olderNote = element("older-note");
  #newer = element("newer");
  #beginning = element("beginning");

  /** @type {Entry[]} the window: messages in the order of the log, without a gap, and the notices between them */
  #entries = [];
  /** @type {Map<string, {draft: Draft, item: MessageItem}>} the reader's messages that are not acknowledged yet, by
   *  their key. They stand below the window, if it follows. */
  #pending = new Map();
  /** @type {Message[]} the newest messages, also those that are below the window: to go back to the end quickly */
  #latest = [];
  /** @type {(Message | Notice)[]} what has arrived since the list was changed last */
  #queue = [];
  /** The window ends with the newest message. */
  #isFollowing = true;
  /** The reader sees the newest message. */
  #isAtEnd = true;
  #isLoading = false;
  /** How many messages have arrived that the reader has not seen. */
  #unseenCount = 0;
  #closing = new AbortController();
  #resizeObserver = new ResizeObserver(() => this.#stayAtEnd());

  /**
   * @param {string} me the reader's name
   * @param {{before: (id: number) => Promise<Message[]>, after: (id: number) => Promise<Message[]>,
   *   setRecipient: (name: string) => void}} options `before` and `after` read the log next to a message;
   *   `setRecipient` is called when the name of an author is clicked
   */
  constructor(me, options) {
    this.#me = me;
    this.#options = options;
    this.#earlier = new EarlierMessages(options.before, () => this.#updateButtons());
    const { signal } = this.#closing;
    this.#scroller.addEventListener("scroll", () => this.#loadIfNearEdge(), { signal });
    this.#older.addEventListener("click", () => this.#showOlder(), { signal });
    this.#newer.addEventListener("click", () => this.#showNewest(), { signal });
    this.#list.addEventListener("keydown", (event) => moveWithArrows(this.#list, event), { signal });
    this.#resizeObserver.observe(this.#scroller);
    this.#updateButtons();
  }

  /**
   * Shows a new message or notice with the next batch.
   * @param {Message | Notice} arrived
   */
  add(arrived) {
    if (arrived.via) this.#deliveries.note(arrived.id, { via: arrived.via });
    this.#queue.push(arrived);
    if (this.#queue.length === 1) setTimeout(() => this.#showQueue(), BATCH_MS);
  }

  /**
   * Shows a message that the reader has written and the server has not acknowledged yet.
   * @param {Draft & {isRestored?: boolean}} draft
   */
  addPending({ isRestored, ...draft }) {
    if (this.#pending.has(draft.key)) return;
    this.#deliveries.note(draft.key, { key: draft.key, attempts: 0, isRestored });
    this.#showNewest();
    this.#pending.set(draft.key, { draft, item: this.#makeItem({ ...draft, from: this.#me }) });
    this.#render();
    this.#scrollToEnd();
  }

  /**
   * Notes how often a pending message has been sent.
   * @param {{key: string, attempts: number}} sending
   */
  noteAttempt({ key, attempts }) {
    this.#deliveries.note(key, { attempts });
    this.#pending.get(key)?.item.showAttempts(attempts);
  }

  /**
   * Turns a pending message into a message of the log, because the server has acknowledged it.
   * @param {{key: string, id: number, time: string, attempts: number}} receipt
   */
  confirm(receipt) {
    const { key, id } = receipt;
    this.#deliveries.acknowledge(receipt);
    const pending = this.#takePending(key);
    if (pending && this.#isFollowing && !this.#has(id)) {
      pending.item.confirm(receipt);
      this.#insert({ id, element: pending.item.element, item: pending.item });
    }
    // The message may have come back to its author before its receipt.
    this.#entries.find((entry) => entry.id === id)?.item.showAttempts(receipt.attempts);
    this.#render();
    this.#stayAtEnd();
  }

  /**
   * Removes a pending message, and returns it if there was one.
   * @param {string} key
   * @returns {Draft | undefined}
   */
  removePending(key) {
    const draft = this.#takePending(key)?.draft;
    this.#render();
    return draft;
  }

  #takePending(key) {
    const pending = this.#pending.get(key);
    this.#pending.delete(key);
    return pending;
  }

  get pendingCount() {
    return this.#pending.size;
  }

  /** Removes all messages except the pending ones. */
  clear() {
    this.#entries = [];
    this.#latest = [];
    this.#queue = [];
    this.#isFollowing = true;
    this.#earlier.reset();
    this.#render();
  }

  /** Asks again whether there are earlier messages, if the server could not be asked before. */
  retryEarlier() {
    if (this.#earlier.state === "failed") this.#lookForEarlier();
  }

  /** Empties the list on the page, for the next room. */
  close() {
    this.#pending.clear();
    this.clear();
    this.#closing.abort();
    this.#resizeObserver.disconnect();
  }

  // --- New messages

  #showQueue() {
    const arrived = this.#queue;
    this.#queue = [];
    if (this.#isClosed || arrived.length === 0) return;
    const messages = arrived.filter(({ id }) => id !== undefined);
    this.#latest = [...this.#latest, ...messages].slice(-MAX_ITEMS);
    // Adding items to a full list removes the oldest ones, and then the others move. Do that only at the end.
    const isFull = this.#entries.length + arrived.length > MAX_ITEMS;
    if (isFull && !this.#isAtEnd) this.#isFollowing = false;
    if (this.#isFollowing) this.#append(arrived.slice(-MAX_ITEMS));
    if (!this.#isFollowing || !this.#isAtEnd) {
      this.#unseenCount += messages.filter(({ from }) => from !== this.#me).length;
    }
    this.#updateButtons();
  }

  #append(arrived) {
    this.#setAnnounced(arrived.length <= MAX_ANNOUNCED);
    for (const one of arrived) {
      if (one.id === undefined) this.#entries.push({ element: noticeItem(one) });
      else if (!this.#has(one.id)) this.#insert(this.#takePendingCopy(one) ?? this.#makeEntry(one));
    }
    this.#removeOldest();
    this.#render();
    this.#stayAtEnd();
    if (this.#earlier.state === "unknown") this.#lookForEarlier();
  }

  /** Takes the pending item of a message that has come back to its author before its receipt. */
  #takePendingCopy(message) {
    const { id, from, text, to } = message;
    if (from !== this.#me) return undefined;
    const copy = [...this.#pending.values()].find(({ draft }) => draft.text === text && draft.to === to);
    if (!copy) return undefined;
    this.#pending.delete(copy.draft.key);
    copy.item.confirm(message);
    return { id, element: copy.item.element, item: copy.item };
  }

  /** Inserts an entry into the window at the position of its id, unless it is there already. */
  #insert(entry) {
    if (this.#has(entry.id)) return;
    // Nearly always it is the newest one. But a receipt may come before older messages of others.
    const newer = this.#entries.findIndex(({ id }) => id > entry.id);
    const index = newer === -1 ? this.#entries.length : newer;
    this.#entries.splice(index, 0, entry);
  }

  #has(id) {
    return this.#entries.some((entry) => entry.id === id);
  }

  #makeEntry(message) {
    const item = this.#makeItem(message);
    return { id: message.id, element: item.element, item };
  }

  #makeItem(message) {
    const item = new MessageItem(message, {
      me: this.#me,
      setRecipient: this.#options.setRecipient,
      onToggle: () => this.#measure(),
      describe: (about) => this.#deliveries.describe(about),
    });
    item.showAttempts(this.#deliveries.attempts(message.id ?? message.key));
    return item;
  }

  /** Makes the entries of messages that were read back from the log. */
  #makeHistory(messages) {
    for (const { id, via } of messages) {
      if (!via) this.#deliveries.note(id, { via: { transport: "history" } });
    }
    return messages.map((message) => this.#makeEntry(message));
  }

  /** Removes the oldest items from a window that is too long. They are still in the log. */
  #removeOldest() {
    if (this.#entries.length <= MAX_ITEMS) return;
    this.#entries = this.#entries.slice(-MAX_ITEMS);
    this.#earlier.addUnread();
  }

  // --- Back and forth in the log

  /** Loads older or newer messages, if the reader is at that end of the list. */
  async #loadIfNearEdge() {
    this.#measure();
    if (this.#isLoading || this.#isClosed || this.#messageIds().length === 0) return;
    const wantsOlder = this.#scroller.scrollTop < EDGE_PX && this.#earlier.state === "some";
    const wantsNewer = distanceToEnd(this.#scroller) < EDGE_PX && !this.#isFollowing;
    if (!wantsOlder && !wantsNewer) return;
    this.#isLoading = true;
    try {
      if (wantsOlder) await this.#loadOlder();
      else await this.#loadNewer();
    } catch {
      // The server cannot be reached, as the page says elsewhere. The next movement tries again.
    }
    this.#isLoading = false;
    this.#measure();
  }

  async #loadOlder() {
    const oldest = this.#messageIds()[0];
    const messages = await this.#earlier.before(oldest);
    if (messages.length === 0 || this.#messageIds()[0] !== oldest) return; // The window has changed meanwhile.
    const entries = [...this.#makeHistory(messages), ...this.#entries];
    this.#entries = entries.slice(0, MAX_ITEMS);
    if (entries.length > MAX_ITEMS) this.#isFollowing = false;
    this.#keepPosition(() => this.#render());
    this.#lookForEarlier();
  }

  /** Finds out whether there are messages before the window, and loads them if the list is shorter than the screen:
   *  then the reader cannot scroll to ask for them. */
  async #lookForEarlier() {
    const oldest = this.#messageIds()[0];
    if (oldest === undefined) return;
    await this.#earlier.before(oldest);
    if (this.#isClosed) return;
    const isShort = distanceToEnd(this.#scroller) <= 0 && this.#scroller.scrollTop === 0;
    if (isShort) this.#loadIfNearEdge();
  }

  async #loadNewer() {
    const newest = this.#messageIds().at(-1);
    const messages = await this.#messagesAfter(newest);
    if (this.#isFollowing) return; // The reader has gone to the newest messages meanwhile.
    for (const entry of this.#makeHistory(messages)) this.#insert(entry);
    this.#removeOldest();
    this.#isFollowing = messages.length === 0 || messages.at(-1).id >= this.#latest.at(-1)?.id;
    this.#keepPosition(() => this.#render());
  }

  /** Returns the messages after this one: from memory if the newest messages go back so far, else from the log. */
  async #messagesAfter(id) {
    const hasNoGap = this.#latest.length === 0 || this.#latest[0].id <= id;
    if (hasNoGap) return this.#latest.filter((message) => message.id > id);
    return this.#options.after(id);
  }

  #messageIds() {
    return this.#entries.map(({ id }) => id).filter((id) => id !== undefined);
  }

  /** Goes to the newest messages, wherever the window is. */
  #showNewest() {
    if (!this.#isFollowing) {
      this.#entries = this.#latest.map((message) => this.#makeEntry(message));
      this.#isFollowing = true;
      this.#earlier.reset();
      this.#setAnnounced(false);
      this.#render();
      this.#lookForEarlier();
    }
    this.#scrollToEnd();
    this.#updateButtons();
  }

  /** Goes to the oldest message on the page, and loads what is before it, or tries to. */
  async #showOlder() {
    if (this.#earlier.state === "failed") await this.#lookForEarlier();
    this.#scroller.scrollTop = 0;
    this.#loadIfNearEdge();
  }

  // --- Scrolling

  /** Makes a change after which the reader still sees the same, because it is history and not news. */
  #keepPosition(change) {
    this.#setAnnounced(false);
    keepPosition(this.#scroller, this.#list, change);
  }

  #scrollToEnd() {
    this.#isAtEnd = true;
    this.#unseenCount = 0;
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  /** Scrolls to the end again, if the reader was there before the list or the window has changed. */
  #stayAtEnd() {
    if (this.#isAtEnd) this.#scrollToEnd();
  }

  /** Finds out from the scroll position whether the reader sees the newest message. */
  #measure() {
    this.#isAtEnd = this.#isFollowing && distanceToEnd(this.#scroller) < EDGE_PX;
    if (this.#isAtEnd) this.#unseenCount = 0;
    this.#updateButtons();
  }

  // --- The page

  /** Makes the list on the page show the window. Items that stay are not touched. */
  #render() {
    if (this.#isClosed) return; // The list on the page belongs to another room now.
    const items = this.#entries.map((entry) => entry.element);
    if (this.#isFollowing) items.push(...[...this.#pending.values()].map(({ item }) => item.element));
    const wanted = new Set(items);
    for (const item of [...this.#list.children]) {
      if (!wanted.has(item)) item.remove();
    }
    let next = this.#list.firstElementChild;
    for (const item of items) {
      if (item === next) next = next.nextElementSibling;
      else this.#list.insertBefore(item, next);
    }
    markGroups(items);
    markTabStop(this.#list);
    this.#updateButtons();
  }

  #updateButtons() {
    if (this.#isClosed) return;
    const { state } = this.#earlier;
    const isEmpty = this.#messageIds().length === 0;
    const isFailed = state === "failed" && !isEmpty;
    this.#older.hidden = !isFailed && (isEmpty || state !== "some");
    this.#older.textContent = sentence(isFailed ? "messages.try-again" : "messages.earlier");
    this.#olderNote.textContent = isFailed ? sentence("messages.earlier-unknown") : "";
    // While it is unknown whether there are earlier messages, what was shown before stays.
    if (isEmpty || state !== "unknown") this.#beginning.hidden = !isEmpty && state !== "none";
    this.#newer.hidden = this.#isAtEnd && this.#isFollowing;
    this.#newer.textContent = newerLabel(this.#unseenCount);
  }

  /** Says whether a screen reader reads out the next items. */
  #setAnnounced(isAnnounced) {
    this.#list.setAttribute("aria-live", isAnnounced ? "polite" : "off");
  }

  get #isClosed() {
    return this.#closing.signal.aborted;
  }
}

function newerLabel(unseenCount) {
  if (unseenCount === 0) return sentence("messages.to-the-newest");
  if (unseenCount === 1) return sentence("messages.one-new");
  return sentence("messages.several-new", { count: unseenCount });
}
