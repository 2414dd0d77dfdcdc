// Parts: what a row of the wire is made of, such as the headers and the body of a response.

/** @typedef {{ name: string, text: string, bytes: number, isEstimated: boolean }} Part `name` is the key of its name */

/** How many bytes of a binary part are shown as digits. */
const MAX_HEX_BYTES = 2048;

/** Returns the length of a text in UTF-8.
 *  @param {string} text */
export const byteLength = (text) => new TextEncoder().encode(text).length;

/** Returns a part that the page has seen.
 *  @returns {Part} */
export const observed = (name, text, bytes = byteLength(text)) => ({ name, text, bytes, isEstimated: false });

/** Returns a part that the page cannot see: its length is computed from what is known.
 *  @returns {Part} */
export const estimated = (name, text, bytes = byteLength(text)) => ({ name, text, bytes, isEstimated: true });

/** Returns what is around a chunk of so many bytes: its length in hexadecimal and two line ends (RFC 9112 §7.1).
 *  @returns {Part} */
export function chunkFraming(bytes) {
  const length = bytes.toString(16).toUpperCase();
  return estimated("part.chunk", `${length}\\r\\n … \\r\\n`, length.length + 4);
}

/** Returns bytes as people write them: `81 7f`.
 *  @param {number[] | Uint8Array} bytes */
export const hex = (bytes) => [...bytes.slice(0, MAX_HEX_BYTES)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
