// The parts of the page that several files use.

/** Returns the element with this id. */
export function element(id) {
  return document.getElementById(id);
}

/**
 * Shows what went wrong, at the form that is in use; an empty message takes it away.
 * @param {string} message
 */
export function showError(message) {
  element("error").textContent = message;
}
