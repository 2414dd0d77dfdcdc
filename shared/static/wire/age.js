// How old an update was when it arrived.
//
// The clock's news says of which second it is. The users' news does not say when they changed, but a tab that
// changes them knows when it asked for that, and tells all tabs of this browser. Which comes first here, that word
// or the update itself, is open; a change that was made elsewhere has no such word.

/** An update older than this was not measured on one machine, in milliseconds. */
const MAX_AGE = 60_000;
/** How much later than the update the word of the change may come, in milliseconds. */
const SOON = 2000;

const tabs = new BroadcastChannel("wire");
/** When a change was asked for whose update has not arrived, and when the last update did. */
let changeAsked = null, updateArrived = null;
let show;

/** Calls `tell` with the age of each update in milliseconds, or null, and what it is an update of. */
export function whenMeasured(tell) {
  show = (age, of) => tell(age !== null && age >= 0 && age < MAX_AGE ? age : null, of);
}

/** What was asked for before is of no more interest. */
export function forget() {
  changeAsked = updateArrived = null;
}

/** A change that was asked for at `time` has been made. */
export function changed(time) {
  tabs.postMessage(time);
  note(time);
}

tabs.onmessage = ({ data }) => note(data);

function note(time) {
  if (updateArrived !== null && updateArrived >= time && Date.now() - updateArrived < SOON) {
    show(updateArrived - time, "users");
  } else changeAsked ??= time;
}

/** An update of what is at `path` has just arrived. */
export function arrived(path, text) {
  const now = Date.now();
  if (path === "/clock") {
    const time = text.match(/(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)/);
    show(time && now - new Date(`${time[1]}T${time[2]}`).getTime(), "clock");
    return;
  }
  show(changeAsked === null ? null : now - changeAsked, "users");
  updateArrived = now;
  changeAsked = null;
}
