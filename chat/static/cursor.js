// How far a page has read the log of a room.

/** A cursor. Each new connection goes on from it, whatever its transport, so a connection that breaks loses nothing. */
export class Cursor {
  /** @type {number | string | undefined} what the server needs to know: it sends what comes after this. `undefined`:
   *  the page has read nothing yet, so the server begins with the newest messages. */
  value;
  /** The id of the newest message that was new. */
  #lastId = 0;

  /** Returns the path with the cursor in it. */
  addTo(path) {
    if (this.value === undefined) return path;
    const separator = path.includes("?") ? "&" : "?";
    return `${path}${separator}after=${this.value}`;
  }

  /**
   * Moves past an event, and returns whether the event is new. A message that two connections deliver is new once.
   * @param {string} event
   * @param {any} data
   */
  advance(event, data) {
    if (event === "message") {
      if (data.id <= this.#lastId) return false;
      this.#lastId = data.id;
      this.value = data.id;
    } else if (event === "reset") {
      // The log does not have this cursor any more. The page starts again, with what comes after this one.
      this.#lastId = 0;
      this.value = data.after;
    } else if (event !== "roster") {
      // The server sends the roster first, then the messages of the log, then everything else. If no message has come
      // before this event, the log is empty. Then the cursor is 0, the beginning of the log.
      this.value ??= 0;
    }
    return true;
  }
}
