// Where a list is scrolled to.

/**
 * Makes a change of the list, and scrolls so that what the reader is looking at does not move.
 * @param {HTMLElement} scroller
 * @param {HTMLElement} list
 * @param {() => void} change
 */
export function keepPosition(scroller, list, change) {
  const topOf = (item) => item.getBoundingClientRect().top;
  const edge = topOf(scroller);
  const visible = [...list.children].filter((item) => item.getBoundingClientRect().bottom > edge);
  const before = visible.map((item) => ({ item, top: topOf(item) }));
  change();
  // The change may have removed some of these items.
  const anchor = before.find(({ item }) => item.isConnected);
  if (anchor) scroller.scrollTop += topOf(anchor.item) - anchor.top;
}

/** Returns how many pixels there are below what the reader sees. */
export function distanceToEnd(scroller) {
  return scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop;
}
