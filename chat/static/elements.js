// The parts of the page that several files use.

/** Returns the element with this id. */
export function element(id) {
  return document.getElementById(id);
}

/**
 * Shows what went wrong, at the form that is in use; without parts it takes that away.
 * @param {...(string | Element)} parts of a sentence
 */
export function showError(...parts) {
  element("error").replaceChildren(...parts);
}
