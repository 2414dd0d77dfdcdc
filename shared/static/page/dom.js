// Small helpers for the modules of the page.

import { LANGUAGE, sentence } from "/shared/sentences.js";

/** @param {string} id */
export const element = (id) => document.getElementById(id);

/** Sets the text of an element unless it is there already: a screen reader would say it again.
 *  @param {HTMLElement} node
 *  @param {string} text */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * A sentence for a person. What a server says is in English only.
 * @typedef {{text: string, language: string}} Message
 */

/** No message: there is nothing to say. */
export const NOTHING = { text: "", language: LANGUAGE };

/** Creates a message from a sentence of the page. @param {string} text @returns {Message} */
export const ownMessage = (text) => ({ text, language: LANGUAGE });

/** Creates a message from a sentence of the server. @param {string} text @returns {Message} */
export const serverMessage = (text) => ({ text, language: "en" });

/** Shows a message in an element. A screen reader reads it in its language.
 *  @param {HTMLElement} node
 *  @param {Message} message */
export function showMessage(node, { text, language }) {
  if (language === LANGUAGE) node.removeAttribute("lang");
  else node.lang = language;
  setText(node, text);
}

/** The time between two heartbeats of the server, in milliseconds. */
export const HEARTBEAT = Number(document.body.dataset.heartbeat) * 1000;

/** Returns a number of seconds as people say it, from milliseconds: `4 s`, `2 min`.
 *  @param {number} milliseconds */
export function inWords(milliseconds) {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 120) return sentence("connection.seconds", { count: seconds });
  return sentence("connection.minutes", { count: Math.round(seconds / 60) });
}

/** Returns the time of the day: `14:03:05`. */
export const timeOfDay = () => new Date().toLocaleTimeString(LANGUAGE === "en" ? "en-GB" : LANGUAGE);

/**
 * What happens on the page, for the guided steps: `list`, `cut`, `sent` and `echo`, each with a `detail`.
 * @type {EventTarget}
 */
export const happenings = new EventTarget();

/** @param {string} name
 *  @param {object} [detail] */
export function announce(name, detail = {}) {
  happenings.dispatchEvent(new CustomEvent(name, { detail }));
}
