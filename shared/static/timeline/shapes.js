// The shapes of the timeline. Each function fills an element of the drawing with the shape of one thing.

import { HELD, MAX_RADIUS, NO_END, SLANT, radius, xOf } from "/shared/timeline/geometry.js";
import { svgElement, svgText } from "/shared/timeline/svg.js";

/** @typedef {{ browser: number, server: number }} Lanes */

/** The gap between a response and the request that follows it at once, in pixels. */
const GAP = 1;
/** Half the width and height of the mark of an update, in pixels. */
const DIAMOND = 5.5;
/** How deep the teeth of a torn edge are, and how many there are. */
const TEAR_DEPTH = 4, TEETH = 8;
/** How high the wedge of a back-off is at its start, in pixels. */
const WEDGE = 18;
/** A page that has not tried again after so much time will not do so any more, in milliseconds. */
const LONGEST_BACK_OFF = 40_000;
/** Where the dot of a message is on its line: near its sender. */
const DOT_POSITION = 0.2;

/** Returns where a crossing is at the server's lane. A request that follows a response at once is drawn after it, although
 *  the lines of both take time on the drawing that they did not take. */
function serverX({ time }, previous) {
  const x = xOf(time);
  const after = previous === null ? x : xOf(previous.time) + 2 * SLANT + GAP;
  return previous !== null && previous.time <= time ? Math.max(x, after) : x;
}

/** Returns the line of a crossing: the side where it starts, and the side where it arrives. Its place at the server's
 *  lane is exact. */
function lineOf(crossing, previous, { browser, server }) {
  const { direction } = crossing;
  const x = serverX(crossing, previous);
  if (direction === "up") return { from: [x - SLANT, browser], to: [x, server] };
  return { from: [x, server], to: [x + SLANT, browser] };
}

/** Draws a message: a line with a head, and a dot whose area is its bytes. `previous` is what was received last before a
 *  request, or null. */
export function drawMessage(group, crossing, previous, lanes) {
  const { from: [x1, y1], to: [x2, y2] } = lineOf(crossing, previous, lanes);
  const back = y2 > y1 ? -6 : 6;
  const head = crossing.kind === "news" ? "" : `M${x2 - 3.5},${y2 + back}L${x2},${y2}L${x2 + 3.5},${y2 + back}`;
  const line = `M${x1},${y1}L${x2},${y2}`;
  svgElement("path", { class: "hit", d: line }, group);
  svgElement("path", { class: "line", d: line + head }, group);
  drawDot(group, crossing, x1 + (x2 - x1) * DOT_POSITION, y1 + (y2 - y1) * DOT_POSITION);
}

/** The outline is for all bytes, the disc for those that the page has seen. */
function drawDot(group, { bytes, parts }, cx, cy) {
  const observed = parts.reduce((sum, part) => sum + (part.isEstimated ? 0 : part.bytes), 0);
  const r = radius(bytes);
  svgElement("circle", { class: "all-bytes", cx, cy, r }, group);
  if (observed > 0) svgElement("circle", { class: "observed-bytes", cx, cy, r: radius(observed) }, group);
  if (r === MAX_RADIUS) svgElement("path", { class: "line", d: `M${cx - 5},${cy}h10M${cx},${cy - 5}v10` }, group);
}

/** Draws an update: a mark on both lanes, and between them the time that it came late, if that is known. */
export function drawUpdate(group, crossing, lanes, hasLabel) {
  const { from: [x], to: [arrival] } = lineOf(crossing, null, lanes);
  const { browser, server } = lanes;
  const isKnown = crossing.changeTime !== null;
  const change = isKnown ? xOf(crossing.changeTime) : x;
  if (isKnown) {
    const d = `M${change},${server}L${change + SLANT},${browser}L${arrival},${browser}L${x},${server}Z`;
    svgElement("path", { class: "delay", d }, group);
  }
  drawMessage(group, crossing, null, lanes);
  svgElement("path", { class: isKnown ? "mark" : "mark unknown", d: diamond(change, server) }, group);
  svgElement("path", { class: "mark", d: diamond(arrival, browser) }, group);
  if (hasLabel) svgText(labelOf(crossing), { class: "label", x: arrival, y: browser - 9 }, group);
}

/** Returns the label of an update: its name and its bytes. */
export const labelOf = ({ name, bytes }) => `${name} ${bytes} B`.trim();

const diamond = (x, y) => `M${x - DIAMOND},${y}L${x},${y - DIAMOND}L${x + DIAMOND},${y}L${x},${y + DIAMOND}Z`;

/** Draws what fills the space between the lanes: hatched while the request waits, solid while the response goes on. */
export function drawOpen(group, { request, openedAt, endedAt, isDuplex, isBroken }, previous, { browser, server }) {
  const begin = serverX(request, previous);
  const end = xOf(endedAt ?? Date.now() + NO_END);
  const isShort = endedAt !== null && openedAt === null && endedAt - request.time < HELD;
  const opened = Math.max(openedAt === null ? end : xOf(openedAt), begin);
  const lean = isBroken && openedAt === null ? 0 : SLANT;
  const waiting = `M${begin - SLANT},${browser}L${opened + lean},${browser}L${opened},${server}H${begin}Z`;
  svgElement("path", { class: isShort ? "short" : "waiting", d: waiting }, group);
  if (openedAt === null) return;
  const middle = (browser + server) / 2;
  svgElement("path", { class: "streaming", d: `M${opened + SLANT},${browser}H${end}V${server}H${opened}Z` }, group);
  // The line in the middle of a road.
  if (isDuplex) svgElement("path", { class: "road", d: `M${opened + SLANT},${middle}H${end}` }, group);
}

/** Draws a break: a torn edge through the space between the lanes. */
export function drawBreak(group, { time }, { browser, server }) {
  const x = xOf(time);
  const step = (server - browser) / TEETH;
  let d = `M${x},${browser}`;
  for (let tooth = 1; tooth <= TEETH; tooth += 1) {
    d += `L${x + (tooth % 2 ? TEAR_DEPTH : -TEAR_DEPTH)},${browser + step * (tooth - 0.5)}`;
  }
  d += `L${x},${server}`;
  svgElement("path", { class: "hit", d }, group);
  svgElement("path", { class: "tear", d }, group);
}

/** Draws the wait from a break until the next try: a wedge that is empty at the end. Before the end is known, it is a
 *  dashed line. */
export function drawBackOff(group, from, until, { browser }) {
  const x = xOf(from);
  if (until === null) {
    svgElement("path", { class: "back-off unknown", d: `M${x},${browser + 5}H${xOf(from + LONGEST_BACK_OFF)}` }, group);
    return;
  }
  svgElement("path", { class: "back-off", d: `M${x},${browser}V${browser + WEDGE}L${xOf(until)},${browser}Z` }, group);
}

/** Draws the wait of a request for one of the browser's connections, on the browser's lane. */
export function drawQueued(group, from, until, { browser }) {
  svgElement("path", { class: "queued", d: `M${xOf(from)},${browser}H${xOf(until ?? Date.now() + NO_END)}` }, group);
}
