// What a WebSocket asks for, and the frames in both directions.

import { changed } from "/shared/wire/age.js";
import { handshakeHeaders, upgradeHeaders } from "/shared/wire/headers.js";
import { add, computed, hex, inVain, note, request, seen, update } from "/shared/wire/panel.js";

/** Kinds of frames (RFC 6455 §5.2). */
const TEXT = 1, BINARY = 2, CLOSE = 8;

/** Close codes that never cross the network (RFC 6455 §7.4.1): the frame had none, and there was no frame. */
const NO_CODE = 1005, NO_FRAME = 1006;

window.WebSocket = class extends WebSocket {
  #path;
  #isOpen = false;
  /** The page has sent a Close frame. */
  #isClosing = false;

  constructor(address, ...rest) {
    super(address, ...rest);
    const url = new URL(address, location.href);
    this.#path = url.pathname;
    const what = `GET ${url.pathname}${url.search}`;
    const crossing = request(`${what}, upgrade`, [handshakeHeaders(url)]);
    this.addEventListener("open", () => {
      this.#isOpen = true;
      crossing.goesOn();
      add("down", `${what} → 101 Switching Protocols`, [upgradeHeaders()]);
    });
    this.addEventListener("message", ({ data }) => {
      this.#show("down", data);
      if (isUpdate(data)) update(this.#path, String(data));
    });
    this.addEventListener("close", ({ code, reason }) => {
      crossing.end();
      if (!this.#isOpen) inVain();
      if (code !== NO_FRAME) this.#closed(code === NO_CODE ? undefined : code, reason);
      else note(`${what}: ${this.#isOpen ? "ended without a Close frame" : "no answer that the page may see"}`);
    });
  }

  send(data) {
    super.send(data);
    if (this.readyState !== WebSocket.OPEN) return;
    this.#show("up", data);
    if (this.#path === "/users") changed(Date.now()); // A new user: the list that follows is as old as this.
  }

  close(...how) {
    const wasOpen = this.readyState === WebSocket.OPEN;
    super.close(...how);
    if (!wasOpen) return;
    this.#isClosing = true;
    const [code, reason = ""] = how;
    this.#showClose("up", code, reason, "");
  }

  #show(direction, data) {
    const bytes = bytesOf(data);
    const [opcode, kind, body] = bytes ? [BINARY, "binary", bytes] : [TEXT, "text", seen("Text", String(data))];
    add(direction, `${kind} frame, ${this.#path}`, frame(opcode, body, direction));
  }

  #closed(code, reason) {
    this.#showClose("down", code, reason, "");
    if (!this.#isClosing) this.#showClose("up", code, reason, ", the browser's echo");
  }

  #showClose(direction, code, reason, remark) {
    const bytes = code ? [code >> 8, code & 255, ...new TextEncoder().encode(reason)] : [];
    const body = computed("Close code and reason", `${hex(bytes)}  ${reason}`, bytes.length);
    add(direction, `Close frame${code ? ` ${code}` : ""}, ${this.#path}${remark}`, frame(CLOSE, body, direction));
  }
};

/** What a binary message carries; null for a text. */
function bytesOf(data) {
  // To look into it takes time, in which the next message may come.
  if (data instanceof Blob) return seen("Bytes", "a Blob", data.size);
  if (data instanceof ArrayBuffer) return seen("Bytes", hex(new Uint8Array(data)), data.byteLength);
  if (!ArrayBuffer.isView(data)) return null;
  return seen("Bytes", hex(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)), data.byteLength);
}

/** A frame as parts: its head (RFC 6455 §5.2) and what it carries. What a client sends is masked. */
function frame(opcode, body, direction) {
  const isMasked = direction === "up";
  const [short, extra] = body.bytes < 126 ? [body.bytes, 0] : body.bytes < 65_536 ? [126, 2] : [127, 8];
  const length = new DataView(new ArrayBuffer(8));
  length.setBigUint64(0, BigInt(body.bytes));
  const head = [128 | opcode, short | (isMasked ? 128 : 0), ...new Uint8Array(length.buffer, 8 - extra)];
  const mask = isMasked ? "  and 4 random bytes, which mask what follows" : "";
  return [computed("Frame head", hex(head) + mask, head.length + (isMasked ? 4 : 0)), body];
}

/** Whether a message is an update: not a ping, and not the answer to something that was refused. */
function isUpdate(data) {
  try {
    return !["error", "ping"].includes(JSON.parse(data).event);
  } catch {
    return true; // Not JSON: an echo.
  }
}
