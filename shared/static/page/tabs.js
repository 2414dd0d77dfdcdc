// How many connections the tabs of this browser keep open: the browser gives one server six of them.

/** How many connections of HTTP/1.1 a browser opens to one server, for all its tabs together. */
const MAX_CONNECTIONS = 6;
/** How long to wait for the other tabs' answers, in milliseconds. */
const WAIT = 200;

/** The lessons whose connections do not count: no request stays open, or the limit for WebSockets is a larger one. */
const UNLIMITED = ["polling", "websocket"];

const channel = new BroadcastChannel("connections");
const me = Math.random();
let countOwn = () => 0;

/** @param {() => number} count returns how many connections this tab keeps open */
export function setCount(count) {
  countOwn = UNLIMITED.includes(document.body.dataset.lesson) ? () => 0 : count;
}

/** Resolves to the number of connections that all tabs of this lesson keep open. */
async function countAll() {
  let sum = countOwn();
  const add = ({ data }) => {
    if (data.to === me) sum += data.count;
  };
  channel.addEventListener("message", add);
  channel.postMessage({ from: me });
  await new Promise((resume) => setTimeout(resume, WAIT));
  channel.removeEventListener("message", add);
  return sum;
}

channel.addEventListener("message", ({ data }) => {
  if (data.from) channel.postMessage({ to: data.from, count: countOwn() });
});

/** Resolves to a sentence on why a request is not answered. */
export async function explainSlowness() {
  const count = await countAll();
  if (count < MAX_CONNECTIONS) return "The server has not answered yet. Perhaps it hangs.";
  return `This request waits in the browser, which gives one server ${MAX_CONNECTIONS} connections for all tabs. `
    + `Your tabs keep ${count} open: close one, or stop watching there.`;
}
