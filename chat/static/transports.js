// Three ways to read a room. Each function opens one connection, tells its `line` what happens (`up`: it is open
// or alive, `heard`: an event, `down`: it is over) and returns how to close it; with `send` if it goes both ways.

/** What an event stream is asked for: EventSource tells only events whose names it knows. */
const EVENTS = ["message", "joined", "left", "roster", "typing", "reset", "ping"];
/** For how many seconds a poll is held at most: many a proxy gives up after 30. */
const LONGEST_POLL = 25;

/** Frames both ways. */
function webSocket({ address, up, heard, down }) {
  const socket = new WebSocket(`${location.origin.replace("http", "ws")}${address("/ws")}`);
  socket.onopen = up;
  socket.onmessage = (frame) => {
    const { event, data, ack } = JSON.parse(frame.data);
    heard(event, data, ack);
  };
  socket.onclose = () => down("the connection broke");
  return { close: () => socket.close(), send: (frame) => socket.send(frame) };
}

/** A response that never ends. EventSource would come back by itself, but only over the same transport. */
function eventStream({ address, up, heard, down }) {
  const source = new EventSource(address("/events"));
  source.onopen = up;
  for (const event of EVENTS) source.addEventListener(event, ({ data }) => heard(event, JSON.parse(data)));
  source.onerror = () => down("the stream broke");
  return { close: () => source.close() };
}

/** A request that the server holds until there is news; the first one is not held. */
function longPoll({ heartbeat, poll, up, down }) {
  const stopped = new AbortController();
  async function ask() {
    // Held for a heartbeat, so that an answer is due as often as on the other transports.
    for (let wait = 0; ; wait = Math.min(Math.floor(heartbeat), LONGEST_POLL)) {
      await poll(wait, stopped.signal);
      up();
    }
  }
  ask().catch(({ message }) => down(message));
  return { close: () => stopped.abort() };
}

/** The transports, the best first. */
export const TRANSPORTS = { websocket: webSocket, sse: eventStream, "long-poll": longPoll };
