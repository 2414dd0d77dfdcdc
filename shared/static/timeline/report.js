// For `/?view=timeline` in a frame: tells the page around it the totals and each update, and learns from it when a change
// was made. Only pages of origins that the server allows (--allow-origin) take part.

import { changeMade } from "/shared/wire/age.js";
import { traffic } from "/shared/wire/panel.js";
import { onTotals } from "/shared/wire/totals.js";

const allowedOrigins = (document.body.dataset.allowedOrigins ?? "").split(" ");

/** The page around this one, as soon as it has asked for reports: a function that sends a message to it. */
let send = () => {};
let totals = null;

addEventListener("message", ({ source, origin, data }) => {
  if (source !== window.parent || source === window || !allowedOrigins.includes(origin)) return;
  if (data.type === "subscribe") {
    send = (message) => source.postMessage(message, origin);
    send({ type: "totals", totals });
  } else if (data.type === "change") {
    changeMade(data.time);
  }
});

onTotals((current) => {
  totals = current;
  send({ type: "totals", totals });
});

// What an update has cost. On a stream it needs no request of its own; otherwise its request is part of the price.
traffic.addEventListener("crossing", ({ detail: { id, kind, time, bytes, exchange } }) => {
  if (kind !== "news") return;
  const isStreamed = exchange.openedAt !== null;
  const price = isStreamed ? { requests: 0, bytes } : { requests: 1, bytes: bytes + exchange.request.bytes };
  send({ type: "update", id, path: exchange.path, time, ...price });
});
