// Dates and numbers, as the reader's language writes them.

import { LANGUAGE } from "/shared/sentences.js";

/** Plain `en` would be American. */
const LOCALE = LANGUAGE === "en" ? "en-GB" : LANGUAGE;

/** Writes `2026-11-26` as "Thursday, 26 November 2026". */
export function dateInWords(date) {
  const options = { weekday: "long", day: "numeric", month: "long", year: "numeric", timeZone: "UTC" };
  return new Date(`${date}T00:00Z`).toLocaleDateString(LOCALE, options);
}

/** Writes 2000 as "2,000". */
export function inDigits(number) {
  return number.toLocaleString(LOCALE);
}

/** Compares two names for their order in a list. */
export function compareNames(a, b) {
  return a.localeCompare(b, LOCALE);
}
