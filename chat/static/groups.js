// What the list of messages shows between its items: who speaks, and on which day.

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
    else item.dataset.day = inWords(date);
    author = from;
    day = date ?? day;
  }
}

/** Writes `2026-11-26` as "Thursday, 26 November 2026". */
function inWords(date) {
  const options = { weekday: "long", day: "numeric", month: "long", year: "numeric", timeZone: "UTC" };
  return new Date(`${date}T00:00Z`).toLocaleDateString("en-GB", options);
}
