// Links in a message. A text is split into plain text and links; nothing else in it is markup.

/** The beginning of a web address, not within an English word, and everything up to a space, an invisible character, a
 *  quotation mark, an angle bracket or a wide punctuation mark, after which Chinese and Japanese texts have no space. */
const ADDRESS = /(?<![a-z0-9])https?:\/\/[^\s\p{C}<>"“”„«»‘’`…，。！？；：、（）「」『』【】《》]+/giu;
/** A punctuation mark, which belongs to the sentence and not to the address if it comes last … */
const PUNCTUATION = /\p{P}/u;
/** … except these: addresses end with them, sentences do not. */
const ENDS_ADDRESS = "/-_%&#@";
/** Closing brackets, and what opens them. One belongs to the address if it was opened there: `/Rust_(language)`. */
const BRACKETS = { ")": "(", "]": "[", "}": "{" };
/** The only protocols that a link may have. */
const PROTOCOLS = ["http:", "https:"];

/**
 * Splits a text into strings and links. Put together they have the same text.
 * @param {string} text
 * @returns {(string | HTMLAnchorElement)[]}
 */
export function withLinks(text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = withoutTrailingPunctuation(match[0]);
    if (isWebAddress(address)) {
      parts.push(text.slice(end, match.index), link(address));
      end = match.index + address.length;
    }
  }
  parts.push(text.slice(end));
  return parts;
}

/** Leaves out the punctuation at the end, in one pass: a text may have 2,000 brackets. */
function withoutTrailingPunctuation(address) {
  const unopened = {};
  for (const [closing, opening] of Object.entries(BRACKETS)) {
    unopened[closing] = address.split(closing).length - address.split(opening).length;
  }
  let end = address.length;
  while (end > 0) {
    const last = address[end - 1];
    const isKept = last in BRACKETS ? unopened[last] <= 0 : !PUNCTUATION.test(last) || ENDS_ADDRESS.includes(last);
    if (isKept) break;
    unopened[last] -= 1;
    end -= 1;
  }
  return address.slice(0, end);
}

/** Returns whether a browser understands the address. One with a user name in it may look like another address: in
 *  `bank.example@evil.example` the host is the second one. */
function isWebAddress(address) {
  if (!URL.canParse(address)) return false;
  const { protocol, username, password } = new URL(address);
  return PROTOCOLS.includes(protocol) && username === "" && password === "";
}

/** Makes a link that shows the address as it was written. It opens a new tab, which learns nothing of this page. */
function link(address) {
  const anchor = document.createElement("a");
  anchor.href = address;
  anchor.target = "_blank";
  anchor.rel = "noopener noreferrer nofollow";
  anchor.dir = "ltr";
  anchor.textContent = address;
  return anchor;
}
