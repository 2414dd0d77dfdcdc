// The items of the list of messages. Texts and names are put in as text, never as HTML.

/**
 * A message. One that the server has not acknowledged yet has no id and no time.
 * @typedef {{id?: number, from: string, text: string, time?: string, to?: string}} Message
 */

/** @typedef {{name: string, action: string, time: string}} Notice somebody has joined or left */

/**
 * Makes the item of a message.
 * @param {Message} message
 * @param {string} me the reader's name
 * @param {(name: string) => void} setRecipient is called when the author's name is clicked
 */
export function messageItem({ id, from, text, time, to }, me, setRecipient) {
  const item = document.createElement("li");
  item.dataset.from = JSON.stringify([from, to]);
  if (id === undefined) item.dataset.pending = "";
  else item.dataset.id = id;
  if (time) item.dataset.date = time.slice(0, 10);
  item.classList.toggle("mine", from === me);
  item.classList.toggle("private", to !== undefined);
  const author = document.createElement("p");
  author.className = "author";
  author.append(from === me ? bidi(from) : nameButton(from, setRecipient));
  if (to !== undefined) author.append(" only to ", to === me ? "you" : bidi(to));
  const content = document.createElement("p");
  content.className = "text";
  content.dir = "auto";
  content.textContent = text;
  const bubble = document.createElement("div");
  bubble.append(content, timeElement(time));
  item.append(author, bubble);
  return item;
}

/**
 * Makes the item that tells that somebody has joined or left.
 * @param {Notice} notice
 */
export function noticeItem({ name, action, time }) {
  const item = document.createElement("li");
  item.className = "notice";
  item.append(bidi(name), ` ${action} `, timeElement(time));
  return item;
}

/**
 * Isolates a name from the text around it: a name may be written from right to left.
 * @param {string} name
 */
export function bidi(name) {
  const isolated = document.createElement("bdi");
  isolated.textContent = name;
  return isolated;
}

/** Makes a name that can be clicked. The keyboard does not stop at it, because it finds each name in the roster. */
function nameButton(name, setRecipient) {
  const button = document.createElement("button");
  button.type = "button";
  button.tabIndex = -1;
  button.dir = "auto";
  button.textContent = name;
  button.title = `Say something to ${name} only`;
  button.addEventListener("click", () => setRecipient(name));
  return button;
}

/** Shows the time of day. The date is there for screen readers only: the page shows it once, above the first message
 *  of a day. */
function timeElement(time) {
  const element = document.createElement("time");
  if (!time) {
    element.textContent = "waiting";
    return element;
  }
  const date = document.createElement("span");
  date.className = "unseen";
  date.textContent = `${time.slice(0, 10)} `;
  element.dateTime = time;
  element.title = time;
  element.append(date, time.slice(11));
  return element;
}
