// What the list of messages shows between its items: who speaks, and on which day.

import { dateInWords } from "./formats.js";

/**
 * Marks what the style sheet shows differently: a message whose author is the one above, and the first item of a day.
 * @param {HTMLElement[]} items
 */
export function markGroups(items) {
  let author;
  let day;
  for (const item of items) {
    const { from, date } = item.dataset;
    const isSameDay = !date || date === day;
    item.classList.toggle("again", from !== undefined && from === author && isSameDay);
    if (isSameDay) delete item.dataset.day;
    else item.dataset.day = dateInWords(date);
    author = from;
    day = date ?? day;
  }
}
