// Small helpers for the modules of the page.

/** @param {string} id */
export const element = (id) => document.getElementById(id);

/** Sets the text of an element unless it is there already: a screen reader would say it again.
 *  @param {HTMLElement} node
 *  @param {string} text */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** The time between two heartbeats of the server, in milliseconds. */
export const HEARTBEAT = Number(document.body.dataset.heartbeat) * 1000;

/** Returns a number of seconds as people say it, from milliseconds: `4 s`, `2 min`.
 *  @param {number} milliseconds */
export function inWords(milliseconds) {
  const seconds = Math.round(milliseconds / 1000);
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}

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
