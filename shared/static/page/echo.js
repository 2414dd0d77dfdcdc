// The echo of lesson 5: what is sent over a WebSocket comes back over the same one.

import { announce, element, setText } from "/shared/page/dom.js";
import { sentence } from "/shared/sentences.js";

let socket = null;

/** Opens the connection when it is needed first, or again. */
function open() {
  const opened = new WebSocket(`${location.origin.replace("http", "ws")}/echo`);
  opened.onmessage = ({ data }) => {
    setText(element("echo-answer"), data);
    announce("echo");
  };
  opened.onclose = () => {
    if (opened === socket) socket = null;
    setText(element("echo-answer"), sentence("echo.ended"));
  };
  return opened;
}

element("echo")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const input = event.target.elements.text;
  const { value } = input;
  setText(element("echo-answer"), "…");
  socket ??= open();
  // `send` throws as long as the connection is not open.
  if (socket.readyState === WebSocket.OPEN) socket.send(value);
  else socket.addEventListener("open", ({ target }) => target.send(value));
  input.value = "";
});
