// Numbers on the page, with their digits in groups of three: 1 008.

/**
 * Shows a number, or `–` for null. Each group of digits is an element of its own with a gap before it, so the text of
 * `element` stays the plain number, for screen readers and for people who copy it.
 * @param {Element} element
 * @param {number | null} number
 */
export function showNumber(element, number) {
  if (element.textContent === String(number ?? "–")) return;
  element.replaceChildren(...(number === null ? ["–"] : digitGroups(number)));
}

/**
 * Returns the elements that show a whole number.
 * @param {number} number
 * @returns {HTMLSpanElement[]}
 */
export function digitGroups(number) {
  return groupsOf(number).map((digits) => {
    const span = document.createElement("span");
    span.className = "digits";
    span.textContent = digits;
    return span;
  });
}

/** Returns a whole number as a text with spaces that do not break: `1 008`.
 *  @param {number} number */
export const groupedText = (number) => groupsOf(number).join("\u202f");

/** Returns the digits of a number in groups of three, the first with one to three digits. */
const groupsOf = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, " ").split(" ");
