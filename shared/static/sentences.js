// What the page says, in the language of the person who reads it. The server has written the sentences into the page.

/** All sentences of the page by their keys. */
const sentences = JSON.parse(document.getElementById("sentences").textContent);

/** The tag of the page's language, such as `zh-CN`, for `Intl` and the like. */
export const LANGUAGE = document.documentElement.lang;

/** Returns a sentence, with `values.name` in place of `{name}`.
 *  @param {string} key the key of the sentence in one of the files in a folder `sentences`
 *  @param {Record<string, string | number>} [values] */
export function sentence(key, values = {}) {
  const text = sentences[key];
  if (text === undefined) throw new RangeError(`There is no sentence "${key}".`);
  // In one pass: a value may have braces, too, such as a name that somebody has typed.
  return text.replaceAll(/\{(\w+)\}/g, (braces, name) => values[name] ?? braces);
}
