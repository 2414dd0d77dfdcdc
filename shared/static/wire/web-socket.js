// What a WebSocket asks for, and the frames in both directions.

import { sentence } from "/shared/sentences.js";
import { changeMade, changeRefused } from "/shared/wire/age.js";
import { Exchange } from "/shared/wire/exchange.js";
import { handshakeHeaders, upgradeHeaders } from "/shared/wire/headers.js";
import { estimated, hex, observed } from "/shared/wire/parts.js";
import { isNews, parseObject, subjectsOf, topicOf } from "/shared/wire/topics.js";

/** Opcodes of frames (RFC 6455 §5.2). */
const TEXT = 1, BINARY = 2, CLOSE = 8;

/** Close codes that never cross the network (RFC 6455 §7.4.1): the frame had none, and there was no frame. */
const NO_CODE = 1005, NO_FRAME = 1006;

/** How often to check whether a Close frame has arrived, in milliseconds. There is no event for it: `close` comes when
 *  the connection has ended, up to a second later. */
const CLOSE_CHECK_INTERVAL = 100;

window.WebSocket = class extends WebSocket {
  #path;
  #what;
  #exchange;
  #isOpen = false;
  /** Whether the page has sent a Close frame. */
  #isClosing = false;
  /** When a Close frame arrived, in milliseconds since 1970. */
  #closeTime = null;
  #closeCheck;
  /** When each frame was sent that has not been answered, by the number of its acknowledgement. */
  #sentAt = new Map();

  constructor(address, ...rest) {
    super(address, ...rest);
    const url = new URL(address, location.href);
    this.#path = url.pathname;
    this.#what = `GET ${url.pathname}${url.search}`;
    // The limit of six connections does not include WebSockets.
    const options = { path: url.pathname, isLimited: false };
    this.#exchange = new Exchange(sentence("wire.upgrade", { what: this.#what }), [handshakeHeaders(url)], options);
    this.addEventListener("open", () => this.#onOpen());
    this.addEventListener("message", ({ data }) => this.#onMessage(data));
    this.addEventListener("close", ({ code, reason }) => this.#onClose(code, reason));
  }

  send(data) {
    const time = Date.now(); // Before it is sent: another tab may have the update before this function ends.
    super.send(data);
    if (this.readyState !== this.OPEN) return;
    const { title, name, parts } = describe(data, "up", this.#path);
    this.#exchange.send(title, parts, { name });
    const { event, ack } = headOf(data);
    if (topicOf(this.#path) !== "users" || !isNews(event)) return;
    // A frame with a number is answered, and the answer names the subject.
    if (ack === undefined) changeMade(time);
    else this.#sentAt.set(ack, time);
  }

  close(...args) {
    const wasOpen = this.readyState === this.OPEN;
    super.close(...args);
    if (!wasOpen) return;
    this.#isClosing = true;
    const [code, reason = ""] = args;
    this.#reportClose("up", code, reason);
  }

  #onOpen() {
    this.#isOpen = true;
    const what = `${this.#what} → 101 Switching Protocols`;
    this.#exchange.receiveStart(what, [upgradeHeaders()], { isDuplex: true });
    this.#closeCheck = setInterval(() => {
      if (this.readyState === this.CLOSING) this.#closeTime ??= Date.now();
    }, CLOSE_CHECK_INTERVAL);
  }

  #onMessage(data) {
    const { title, name, parts } = describe(data, "down", this.#path);
    const { event, ack } = headOf(data);
    const crossing = this.#exchange.receive(title, parts, { name: event ?? name });
    if (event === "error") changeRefused();
    if (event === "ack" && this.#sentAt.has(ack)) changeMade(this.#sentAt.get(ack), subjectsOf(this.#path, data));
    this.#sentAt.delete(ack);
    if (topicOf(this.#path) !== null && isNews(event)) this.#exchange.update(crossing, String(data));
  }

  #onClose(code, reason) {
    clearInterval(this.#closeCheck);
    if (!this.#isOpen) this.#exchange.withoutNews();
    if (code !== NO_FRAME) {
      this.#reportClose("down", code === NO_CODE ? undefined : code, reason);
      if (!this.#isClosing) this.#reportClose("up", code === NO_CODE ? undefined : code, reason, true);
    }
    const end = this.#isOpen ? "wire.no-close-frame" : "wire.no-visible-answer";
    if (this.#isClosing) this.#exchange.end();
    else this.#exchange.break(sentence(code === NO_FRAME ? end : "wire.ended-by-server", { what: this.#what }));
  }

  /** Reports a Close frame. `isEcho`: the browser has sent it as its answer to the server's. */
  #reportClose(direction, code, reason, isEcho = false) {
    const bytes = code ? [code >> 8, code & 255, ...new TextEncoder().encode(reason)] : [];
    const parts = frame(CLOSE, estimated("part.close", `${hex(bytes)}  ${reason}`, bytes.length), direction);
    const path = this.#path;
    const title = code ? sentence("wire.close-frame-with-code", { code, path }) : sentence("wire.close-frame", { path });
    const what = isEcho ? sentence("wire.echoed", { frame: title }) : title;
    // The page's own Close frame has left just now. The server's came before the connection ended.
    const isOwn = direction === "up" && !isEcho;
    const time = isOwn ? Date.now() : (this.#closeTime ?? Date.now());
    const fields = { name: "close", cost: "connecting", time, isLate: !isOwn };
    if (direction === "up") this.#exchange.send(what, parts, fields);
    else this.#exchange.receive(what, parts, fields);
  }
};

/** Returns the title of a frame with this message, its name in one word, and what it is made of. */
function describe(data, direction, path) {
  const bytes = binaryPart(data);
  if (bytes) {
    const title = sentence("wire.binary-frame", { path });
    return { title, name: sentence("wire.binary"), parts: frame(BINARY, bytes, direction) };
  }
  const text = observed("part.text", String(data));
  return { title: sentence("wire.text-frame", { path }), name: sentence("wire.text"), parts: frame(TEXT, text, direction) };
}

/** Returns the content of a binary message; null for a text. */
function binaryPart(data) {
  // To read a Blob takes time, in which the next message may arrive.
  if (data instanceof Blob) return observed("part.bytes", sentence("part.blob"), data.size);
  if (data instanceof ArrayBuffer) return observed("part.bytes", hex(new Uint8Array(data)), data.byteLength);
  if (!ArrayBuffer.isView(data)) return null;
  return observed("part.bytes", hex(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)), data.byteLength);
}

/** Returns a frame as parts: its header (RFC 6455 §5.2) and its payload. A client masks its payloads. */
function frame(opcode, payload, direction) {
  const isMasked = direction === "up";
  const [short, extra] = payload.bytes < 126 ? [payload.bytes, 0] : payload.bytes < 65_536 ? [126, 2] : [127, 8];
  const length = new DataView(new ArrayBuffer(8));
  length.setBigUint64(0, BigInt(payload.bytes));
  const header = [128 | opcode, short | (isMasked ? 128 : 0), ...new Uint8Array(length.buffer, 8 - extra)];
  const bytes = hex(header);
  const text = isMasked ? sentence("part.mask", { bytes }) : bytes;
  return [estimated("part.frame-header", text, header.length + (isMasked ? 4 : 0)), payload];
}

/** Returns the event that a message names, null if it names none, and the number of its acknowledgement. */
function headOf(data) {
  const { event, ack } = parseObject(data);
  return { event: typeof event === "string" ? event : null, ack };
}
