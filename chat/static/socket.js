// connect, on, emit: one API over three transports.
//
//   const socket = connect("lobby");
//   socket.on("message", ({ from, text, time }) => …);
//   const { id, time } = await socket.emit("message", { text: "Hi" });
//
// The room is a log on the server, and `cursor` says how far this page has read it. Whatever breaks, the
// next connection, over whichever transport, goes on from there. What is said goes through an outbox:
// it stays there until the server has acknowledged it, and is sent again under the same key until then.

import { openOutbox } from "./outbox.js";
import { TRANSPORTS } from "./transports.js";

/** After how many heartbeats of silence a connection is given up: one may be late, two are not. */
const PATIENCE = 2.5;
/** How long a connection may take to open, and a request to be answered, in milliseconds. */
const TIMEOUT = 10_000;
/** The longest back-off, in milliseconds. */
const MAX_BACK_OFF = 30_000;
/** A connection that lasted so many milliseconds was a good one: the back-off begins anew. */
const STABLE = 5_000;
/** After how many milliseconds on a lesser transport the better ones are tried again. */
const BETTER = 60_000;
/** How often typing is told, in milliseconds; the server tells others once a second at most. */
const TYPING = 2_000;
/** The longest message for a frame, in UTF-16 units: for a frame of more than 16 KiB the server ends the
 *  connection, and a request that is too large it only refuses. */
const MAX_FRAME = 5_000;
/** Statuses that mean "not now". Any other 4xx is an answer that will not change. */
const NOT_NOW = [408, 425, 429];
/** Statuses that are about the person and not about the message. */
const NOT_YOU = [401, 403];

/**
 * What is known of the connection. `wait`: milliseconds until the next attempt; `refused`: the status with
 * which the server has refused for good, after which nothing is tried any more.
 * @typedef {{state: "connecting" | "open" | "closed", transport: string, why?: string, wait?: number,
 *   refused?: number}} State
 */

/**
 * Connects to a room. Events: those of the server (message, joined, left, roster, typing, reset, ping) with
 * their data, `state` with a {@link State}, and for each message that goes out `pending` `{key, text, to}`,
 * then `ack` `{key, id, time}` or `error` `{key, error, status}`.
 * @param {string} room
 * @param {{user?: string, token?: string, transport?: string}} [options] `user`: whose outbox it is;
 *   `token`: who posts, even if another tab has changed the cookie; `transport`: auto, or one of the three
 */
export function connect(room, { user = "", token, transport = "auto" } = {}) {
  const base = `/rooms/${encodeURIComponent(room)}`;
  const heartbeat = Math.max(1, Number(document.body.dataset.heartbeat) || 15);
  const target = new EventTarget();
  const outbox = openOutbox(user, room);
  let [link, next] = [null, null]; // The connection in use, and the one that is being opened.
  let [seen, failures, numbered, typed] = [0, 0, 0, 0];
  let [sending, closed] = [false, false];
  let ladder, step, timer, cursor;

  const on = (name, listener) => target.addEventListener(name, ({ detail }) => listener(detail));
  const tell = (name, detail) => closed || target.dispatchEvent(new CustomEvent(name, { detail }));

  function report(more) {
    const state = link ? "open" : next ? "connecting" : "closed";
    tell("state", { state, transport: (link ?? next)?.name ?? ladder?.[step], ...more });
  }

  /** Tells what the server says, each message once: two connections may overlap. */
  function hear(event, data) {
    if (event === "message") {
      if (data.id <= seen) return;
      [seen, cursor] = [data.id, data.id];
    } else if (event === "reset") {
      [seen, cursor] = [0, data.after];
    } else if (event !== "roster") {
      cursor ??= 0; // The history has come before, and there was none.
    }
    tell(event, data);
  }

  /** Tries the transports from a step of the ladder on. What is in use stays until another one works. */
  function open(from = 0) {
    clearTimeout(timer);
    next = drop(next);
    step = from % ladder.length;
    if (ladder[step] !== link?.name) dial(ladder[step]);
    else if (step > 0) timer = setTimeout(open, BETTER);
  }

  function dial(name) {
    const me = { name };
    const mine = (act) => (...values) => (me === link || me === next) && act(...values);
    const listen = (milliseconds) => {
      clearTimeout(me.timer);
      me.timer = setTimeout(() => lost(me, "nothing was heard for too long", !me.heard), milliseconds);
    };
    const up = mine(() => {
      listen(PATIENCE * 1000 * heartbeat); // A dead connection raises no error; only silence shows it.
      if (me === next) adopt(me);
    });
    const heard = mine((event, data, ack) => {
      up();
      me.heard = true;
      if (ack === undefined) hear(event, data);
      else if (ack === me.asked?.ack) me.asked.tell(event, data);
    });
    const address = (path) => `${base}${path}${cursor === undefined ? "" : `?after=${cursor}`}`;
    const down = mine((why) => lost(me, why));
    next = me;
    report();
    listen(TIMEOUT);
    try {
      Object.assign(me, TRANSPORTS[name]({ address, heartbeat, poll, up, heard, down }));
    } catch (error) {
      lost(me, error.message);
    }
  }

  function adopt(me) {
    drop(link);
    [link, next, me.since] = [me, null, Date.now()];
    if (ladder.indexOf(me.name) > 0) timer = setTimeout(open, BETTER);
    report();
    outbox.load().forEach((draft) => tell("pending", draft));
    flush();
  }

  function drop(me) {
    clearTimeout(me?.timer);
    me?.close?.();
    me?.asked?.tell("lost", {});
    return null;
  }

  async function lost(me, why, mute) {
    drop(me);
    if (me === link) {
      link = null;
      if (Date.now() - me.since > STABLE) failures = 0;
      // One that opens and never says a word is no better than one that does not open.
      return next ? report() : retry(why, undefined, mute ? ladder.indexOf(me.name) + 1 : 0);
    }
    next = null;
    const alone = !link;
    // Is it the transport or the server? A browser does not tell; the answer to a plain request does.
    const failure = alone && (await poll(0).catch((error) => error));
    if (closed || next || (alone && link)) return;
    if (failure) return isFinal(failure) ? refuse(failure) : retry(failure.message, failure.wait);
    if (step + 1 < ladder.length) open(step + 1);
    else retry(`${me.name} does not work here`);
  }

  function retry(why, wait = backOff(failures++), from = 0) {
    clearTimeout(timer);
    timer = setTimeout(open, wait, from);
    report({ why, wait });
  }

  const refuse = ({ message, status }) => close({ why: message, refused: status });

  function close(more) {
    clearTimeout(timer);
    const open = [link, next];
    [link, next] = [null, null];
    open.forEach(drop);
    report(more);
    closed = true;
  }

  /** Takes one transport and no other from now on, or the best that works (`auto`). */
  function use(name) {
    ladder = name === "auto" ? Object.keys(TRANSPORTS) : [name];
    failures = 0;
    if (!ladder.includes(link?.name)) link = drop(link);
    open();
  }

  /** Asks once for what comes after the cursor. */
  async function poll(wait, signal) {
    const after = cursor === undefined ? "" : `&after=${cursor}`;
    const answer = await request(`/messages?wait=${wait}${after}`, undefined, signal);
    signal?.throwIfAborted();
    for (const { event, data } of answer.events) hear(event, data);
    cursor = answer.cursor;
  }

  async function request(path, body, signal = AbortSignal.timeout(TIMEOUT)) {
    const headers = new Headers(body && { "Content-Type": "application/json" });
    if (token) headers.set("Authorization", `Bearer ${token}`);
    const how = { method: body ? "POST" : "GET", body: body && JSON.stringify(body), headers, signal, cache: "no-store" };
    const unreachable = () => Promise.reject(new Error("the server cannot be reached"));
    const response = await fetch(base + path, how).catch(unreachable);
    if (response.ok) return response.json();
    const answer = await response.json().catch(() => ({})); // A proxy answers with a page of its own.
    const { status } = response;
    const wait = Number(response.headers.get("Retry-After")) * 1000 || undefined;
    throw Object.assign(new Error(answer.error ?? `the server answers with the status ${status}`), { status, wait });
  }

  /** Says something. A message's promise resolves with its ack `{id, time}`; it fails if the message is
   *  refused for good, and waits for as long as the server cannot be reached. */
  function emit(event, { text, to } = {}) {
    if (event === "typing") return typing();
    return new Promise((resolve, reject) => {
      const item = Object.assign(outbox.add(text, to), { resolve, reject });
      tell("pending", item.draft);
      flush();
    });
  }

  /** Typing is only true now: it is not sent again. */
  function typing() {
    if (!link || Date.now() - typed < TYPING) return;
    typed = Date.now();
    if (link.send) link.send(`{"event":"typing"}`);
    else request("/typing", {}).catch(() => {});
  }

  /** Sends what waits, one message at a time: with two on the way, the second could be taken while the
   *  first is refused for now, and their order would be lost. */
  async function flush() {
    if (sending) return;
    sending = true;
    for (let tries = 0; link && outbox.items.length > 0; ) {
      const [item, used] = [outbox.items[0], link];
      try {
        settle(item, "ack", await deliver(item.draft, used));
        tries = 0;
      } catch (error) {
        if (NOT_YOU.includes(error.status)) refuse(error); // It stays for when the name is back.
        else if (isFinal(error)) settle(item, "error", error);
        else if (used === link) await pause(error.wait ?? backOff(tries++));
      }
    }
    sending = false;
  }

  /** Over the socket if there is one. An error there has no status: if it says nothing of waiting, the
   *  same message as a request tells whether the refusal is for good. */
  async function deliver(data, used) {
    const ack = ++numbered;
    const frame = JSON.stringify({ event: "message", ack, data });
    if (used.send && frame.length <= MAX_FRAME) {
      const [event, answer] = await new Promise((resolve) => {
        used.asked = { ack, tell: (...answer) => resolve(answer) };
        setTimeout(() => resolve(["lost", {}]), TIMEOUT);
        used.send(frame);
      });
      if (event === "ack") return answer;
      const wait = answer.retry_after * 1000 || undefined;
      if (event === "lost" || wait) throw Object.assign(new Error(answer.error), { wait });
    }
    return request("/messages", data);
  }

  function settle(item, event, outcome) {
    const { key } = item.draft;
    outbox.remove(item);
    if (event === "ack") item.resolve?.(outcome);
    else item.reject?.(outcome);
    tell(event, event === "ack" ? { key, ...outcome } : { key, error: outcome.message, status: outcome.status });
  }

  addEventListener("online", () => closed || link || next || open());
  queueMicrotask(() => closed || ladder || use(transport)); // The caller listens first.
  return { on, emit, use, close: () => close() };
}

/** An answer that will be the same next time. */
const isFinal = ({ status }) => status >= 400 && status < 500 && !NOT_NOW.includes(status);

/** 1 s, 2 s, 4 s … 30 s, and up to half of that less, each browser another time, so that after a restart
 *  of the server they do not all come back at once. */
const backOff = (failures) => Math.min(1000 * 2 ** failures, MAX_BACK_OFF) * (1 - Math.random() / 2);

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
