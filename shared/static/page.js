// The page around a lesson: it shows the news that the lesson's client.js gets, and sends what is typed.
// Nothing here knows how the news gets from the server to the browser.

import "/shared/menu.js"; // Its own requests are not the lesson's: it has to be loaded before the wire.
import "/shared/wire.js"; // It must be around `fetch` and the like before client.js is loaded.
import "/shared/page/steps.js";
import "/shared/page/echo.js";
import { notOpen } from "/shared/page/connection.js";
import { announce, element, setText } from "/shared/page/dom.js";
import { send } from "/shared/page/requests.js";
import { complainAboutSnapshot, setUpForm, showUsers } from "/shared/page/users.js";
import { Watcher, describe, loadClient } from "/shared/page/watchers.js";

/** Sets up the button that cuts all connections. A server that others can reach has none. */
function setUpCut() {
  const button = element("cut");
  const say = (sentence) => setText(element("cut-result"), sentence);
  button?.addEventListener("click", async () => {
    if (button.ariaDisabled === "true") return; // Clicked twice.
    button.ariaDisabled = "true";
    announce("cut");
    const error = await send("POST", "/cut", null, say);
    button.ariaDisabled = "false";
    say(error || `${new Date().toLocaleTimeString("en-GB")}: ${button.dataset.done}`);
  });
}

const client = await loadClient();
const complainAboutTime = (time) =>
  typeof time === "string" && /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(time) ? null : `${describe(time)}. It has to be a time as text`;
const showTime = (time) => setText(element("clock"), time);
const clock = new Watcher("clock", "watchClock", client.watchClock, showTime, complainAboutTime);
const users = new Watcher("users", "watchUsers", client.watchUsers, showUsers, complainAboutSnapshot);
const watchers = [users, clock];

setUpForm(client.addUser);
setUpCut();
element("retry").addEventListener("click", () => {
  const names = notOpen();
  for (const watcher of watchers) if (names.includes(watcher.name)) watcher.restart();
});
users.start();
