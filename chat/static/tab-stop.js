// One stop for the Tab key in a long list, with the arrow keys to move from there.

/** Makes the newest item, or the one that has the focus, the only one at which the Tab key stops.
 *  @param {HTMLElement} list */
export function markTabStop(list) {
  const stops = stopsOf(list);
  const current = stops.find((stop) => stop === document.activeElement) ?? stops.at(-1);
  for (const stop of stops) stop.tabIndex = stop === current ? 0 : -1;
}

/** Moves the focus to the item above or below, for the arrow keys.
 *  @param {HTMLElement} list
 *  @param {KeyboardEvent} event */
export function moveWithArrows(list, event) {
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  const stops = stopsOf(list);
  const index = stops.indexOf(document.activeElement);
  if (step === undefined || index === -1) return;
  event.preventDefault();
  stops[index + step]?.focus();
  markTabStop(list);
}

function stopsOf(list) {
  return [...list.querySelectorAll("summary")];
}
