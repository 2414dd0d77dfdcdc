// Names on the page. A name may contain any visible character, so it is only ever put in as text.

import { sentence } from "/shared/sentences.js";

/** How many colours there are for names: the style sheet has them as `hue-0` to `hue-7`. */
const HUES = 8;

/**
 * Isolates a name from the text around it: a name may be written from right to left.
 * @param {string} name
 */
export function bidi(name) {
  const isolated = document.createElement("bdi");
  isolated.textContent = name;
  return isolated;
}

/**
 * Does the same for a name in a plain text, with the characters that Unicode has for that.
 * @param {string} name
 */
export function isolated(name) {
  return `\u2068${name}\u2069`;
}

/**
 * Returns a sentence as texts and elements. Each name in it is isolated.
 * @param {string} key
 * @param {Record<string, string | number | Node>} values what stands in place of `{name}`: a name, or anything else
 * @returns {(string | number | Node)[]}
 */
export function withNames(key, values) {
  // `split` also returns what the parentheses match: every other part is the name of a value.
  const parts = sentence(key).split(/\{(\w+)\}/);
  return parts.map((part, index) => {
    if (index % 2 === 0) return part;
    const value = values[part];
    return typeof value === "string" ? bidi(value) : value;
  });
}

/**
 * Makes a name that can be clicked.
 * @param {string} name
 * @param {(name: string) => void} onClick
 */
export function nameButton(name, onClick) {
  const button = document.createElement("button");
  button.type = "button";
  button.dir = "auto";
  button.textContent = name;
  button.title = sentence("people.say-to", { name });
  button.addEventListener("click", () => onClick(name));
  return button;
}

/**
 * Makes the round picture of a user: the first character of the name, in a colour that depends on the name.
 * @param {string} name
 */
export function avatar(name) {
  const picture = document.createElement("span");
  picture.className = `avatar ${hueClass(name)}`;
  // The style sheet shows it. It is not text of the page, because it says nothing that the name does not say.
  picture.dataset.initial = [...name][0].toUpperCase();
  return picture;
}

/**
 * Returns the class that gives a name its colour: the same one each time.
 * @param {string} name
 */
export function hueClass(name) {
  let hash = 0;
  for (const character of name) hash = (hash * 31 + character.codePointAt(0)) % 65_521;
  return `hue-${hash % HUES}`;
}
