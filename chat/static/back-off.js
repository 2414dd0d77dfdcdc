// How long to wait before another attempt.

/** The longest wait, in milliseconds. */
const MAX_BACK_OFF = 30_000;

/** Counts failures in a row. After each one the wait is twice as long: 1 s, 2 s, 4 s … 30 s, less a random part of up
 *  to a half. Without that part, all browsers would come back at the same moment after a restart of the server. */
export class BackOff {
  #failures = 0;

  /** Counts a failure and returns how many milliseconds to wait after it. */
  next() {
    const longest = Math.min(1000 * 2 ** this.#failures, MAX_BACK_OFF);
    this.#failures += 1;
    return longest * (1 - Math.random() / 2);
  }

  /** Forgets the failures, after a success. */
  reset() {
    this.#failures = 0;
  }
}

/** Returns a promise that is fulfilled after so many milliseconds. */
export function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
