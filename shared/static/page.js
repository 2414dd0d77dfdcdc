// The page around a lesson: it shows the news that the lesson's client.js gets, and sends what is typed.
// Nothing here knows how the news gets from the server to the browser.

import "/shared/menu.js"; // Its own requests are not the lesson's: it has to be loaded before the wire.
import "/shared/wire.js"; // It must be around `fetch` and the like before client.js is loaded.
import "/shared/page/steps.js";
import "/shared/page/echo.js";
import { notOpen } from "/shared/page/connection.js";
import { announce, element, ownMessage, setText, showMessage, timeOfDay } from "/shared/page/dom.js";
import { send } from "/shared/page/requests.js";
import { isSnapshot, setUpForm, showUsers } from "/shared/page/users.js";
import { Watcher, loadClient } from "/shared/page/watchers.js";
import { sentence } from "/shared/sentences.js";

/** Sets up the button that cuts all connections. A server that others can reach has none. */
function setUpCut() {
  const button = element("cut");
  const say = (message) => showMessage(element("cut-result"), message);
  button?.addEventListener("click", async () => {
    if (button.ariaDisabled === "true") return; // Clicked twice.
    button.ariaDisabled = "true";
    announce("cut");
    const error = await send("POST", "/cut", null, say);
    button.ariaDisabled = "false";
    say(error.text ? error : ownMessage(sentence("connection.cut-at", { time: timeOfDay(), what: button.dataset.done })));
  });
}

const client = await loadClient();
const isTime = (time) => typeof time === "string" && /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(time);
const showTime = (time) => setText(element("clock"), time);
const clock = new Watcher("clock", "watchClock", client.watchClock, showTime, isTime, "mistake.wrong-time");
const users = new Watcher("users", "watchUsers", client.watchUsers, showUsers, isSnapshot, "mistake.wrong-users");
const watchers = [users, clock];

setUpForm(client.addUser);
setUpCut();
element("retry").addEventListener("click", () => {
  const names = notOpen();
  for (const watcher of watchers) if (names.includes(watcher.name)) watcher.restart();
});
users.start();
