// What was said and not acknowledged yet. It outlives the page: each message has an item of its own in
// localStorage, so that two tabs of one browser never overwrite what the other has put there. Both may send
// the same message; its key makes that harmless.

/** How many messages may wait. One more is refused at once, so that its author knows; none is dropped. */
const MOST = 100;

/** @typedef {{key: string, text: string, to?: string}} Draft */
/** @typedef {{draft: Draft, resolve?: Function, reject?: Function}} Item */

/**
 * The outbox of a user in a room.
 * @param {string} user
 * @param {string} room
 */
export function openOutbox(user, room) {
  const prefix = `chat/${encodeURIComponent(user)}/${room}/`;
  /** @type {Item[]} in the order in which they were said */
  const items = [];
  let last = 0;

  /** Puts a message in, or throws a sentence about why not. */
  function add(text, to) {
    if (items.length >= MOST) throw new Error(`${MOST} messages are waiting already. Wait until some of them are sent.`);
    last = Math.max(Date.now(), last + 1); // The order of the keys is the order of the messages.
    const key = `${last}-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`;
    const item = { draft: { key, text, to } };
    items.push(item);
    quietly(() => storage.setItem(prefix + key, JSON.stringify(item.draft)));
    return item;
  }

  /** Takes in what an earlier page or another tab has left, and returns it. */
  function load() {
    const names = Object.keys(storage ?? {}).filter((name) => name.startsWith(prefix));
    const drafts = names.map((name) => quietly(() => JSON.parse(storage.getItem(name)))).filter(Boolean);
    const missing = drafts.filter(({ key }) => !items.some(({ draft }) => draft.key === key));
    items.push(...missing.map((draft) => ({ draft })));
    items.sort((a, b) => (a.draft.key < b.draft.key ? -1 : 1));
    return missing;
  }

  function remove(item) {
    items.splice(items.indexOf(item), 1);
    quietly(() => storage.removeItem(prefix + item.draft.key));
  }

  return { items, add, load, remove };
}

/** Where the browser forbids to keep anything, or is full, a message waits in the page only. */
const storage = quietly(() => localStorage);

function quietly(act) {
  try {
    return act();
  } catch {
    return undefined;
  }
}
