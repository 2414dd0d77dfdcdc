// Draws what crosses the network. Each element with a `data-kind` belongs to a row of the wire: `data-row` is its id.

import { sentence } from "/shared/sentences.js";
import { resetAxis, updateAxis } from "/shared/timeline/axis.js";
import { SLANT, lanesOf, nowX, setScale, timeOf, totalHeight, xOf } from "/shared/timeline/geometry.js";
import * as shapes from "/shared/timeline/shapes.js";
import { drawStrips, resetStrips, stripCount, stripOf } from "/shared/timeline/strips.js";
import { svgElement } from "/shared/timeline/svg.js";
import { clock } from "/shared/wire/rows.js";

/** After so much time the drawing is made again, because its coordinates grow with the time, in milliseconds. */
const REDRAW_AFTER = 600_000;
/** The width of a character of a label, in pixels. */
const CHARACTER_WIDTH = 7;

/** How a screen reader calls each kind. */
const KIND_NAMES = {
  request: "timeline.request", send: "timeline.sent", news: "timeline.update", empty: "timeline.without-news",
  break: "timeline.break",
};

const svg = document.getElementById("timeline");
const frame = svgElement("g", {}, svg);
// What moves is in layers, and all but the next tries are cut off at "now". A message that has just crossed leans over it.
const clips = [svgElement("svg", { height: "100%" }, svg), svgElement("svg", { height: "100%" }, svg)];
const [axis, bars] = ["axis-lines", "bars"].map((name) => svgElement("g", { class: name }, clips[0]));
const tries = svgElement("g", { class: "tries" }, svg);
const marks = svgElement("g", { class: "marks" }, clips[1]);
svg.append(clips[1]);

/** All crossings that are drawn, by the ids of their rows. */
const crossings = new Map();
/** All exchanges that are drawn, by the ids of their requests' rows. */
const exchanges = new Map();
/** Where the last label of each strip ends, in milliseconds since 1970. */
const labelEnds = [];
/** For each strip, what was received last, except the responses to changes that the page has made. */
const lastReceived = [];
/** For each strip, the break after which nothing has been asked for yet. */
const openBreaks = new Map();

/** Moves the drawing so that `time` is at its right end. If that is not now, nothing later is shown.
 *  @param {number} time in milliseconds since 1970
 *  @param {boolean} isNow */
export function moveTo(time, isNow) {
  const name = frame.querySelector(".now-name");
  const text = sentence(isNow ? "timeline.now" : "timeline.then");
  if (name.textContent !== text) {
    name.textContent = text;
    clips[1].setAttribute("width", isNow ? "100%" : nowX() + SLANT);
  }
  const shift = `translate(${Math.round(nowX() - xOf(time))}px, 0)`;
  for (const layer of [axis, bars, tries, marks]) layer.style.transform = shift;
}

/** Returns the crossings that are drawn, the oldest first. */
export const drawnCrossings = () => [...crossings.values()].map(({ crossing }) => crossing);

/** Returns the exchanges that are drawn, the oldest first. */
export const drawnExchanges = () => [...exchanges.values()].map(({ exchange }) => exchange);

/** Returns the time of the oldest crossing, or now. */
export const oldestTime = () => crossings.values().next().value?.crossing.time ?? Date.now();

/** Adds the lines of the axis that are due. */
export const extendAxis = () => updateAxis(axis, oldestTime(), totalHeight());

let drawnAt = 0;

/** Draws everything again if the width has changed or much time has passed.
 *  @param {number} width in pixels */
export function fit(width) {
  const now = Date.now();
  const isOld = now - drawnAt > REDRAW_AFTER;
  // A whole minute, so that lines of the axis have whole coordinates more often.
  if (isOld) drawnAt = now - (now % 60_000);
  if (!setScale(width, drawnAt)) return;
  clips[0].setAttribute("width", Math.max(nowX(), 0));
  drawAll();
}

function drawAll() {
  drawFrame();
  labelEnds.length = 0; // How much time a label takes depends on the scale.
  for (const drawn of crossings.values()) {
    drawn.hasLabel = null;
    draw(drawn);
  }
  for (const drawn of exchanges.values()) drawExchange(drawn);
}

/** Draws what does not move, and the axis. */
function drawFrame() {
  svg.style.height = `${totalHeight()}px`;
  drawStrips(frame);
  resetAxis(axis);
  extendAxis();
}

/** Draws a new crossing, or one that has changed. */
export function showCrossing(crossing) {
  if (crossing.kind === null) return;
  let drawn = crossings.get(crossing.id);
  if (!drawn) {
    drawn = { crossing, group: markElement(crossing), strip: stripFor(crossing.exchange), hasLabel: null, previous: null };
    crossings.set(crossing.id, drawn);
    relate(drawn);
    if (crossing.kind === "break" && !crossing.exchange.isOwn) startBackOff(drawn);
  }
  draw(drawn);
}

/** Draws a new exchange, or one that has changed. */
export function showExchange(exchange) {
  const { id } = exchange.request;
  let drawn = exchanges.get(id);
  if (!drawn) {
    drawn = { exchange, group: svgElement("g", { "data-kind": "open", "data-row": id }, bars), strip: stripFor(exchange) };
    exchanges.set(id, drawn);
    endBackOff(drawn.strip, exchange);
  }
  drawExchange(drawn);
}

/** Returns the strip for an exchange, and draws the lanes of a new one. */
function stripFor(exchange) {
  const before = stripCount();
  const isFirst = !frame.querySelector(".address")?.textContent;
  const strip = stripOf(exchange);
  if (stripCount() !== before) drawAll();
  else if (isFirst) drawFrame();
  return strip;
}

/** Notes what a request follows. */
function relate(drawn) {
  const { crossing, strip } = drawn;
  if (crossing.exchange.isOwn) return;
  if (crossing.kind === "request") drawn.previous = lastReceived[strip] ?? null;
  if (crossing.direction === "down") lastReceived[strip] = crossing;
}

function markElement({ kind, id, exchange }) {
  const attributes = { "data-kind": kind, "data-row": id, role: "img", tabindex: -1 };
  const group = svgElement("g", attributes, marks);
  if (exchange.isOwn || kind === "send") group.classList.add("own");
  return group;
}

function draw(drawn) {
  const { crossing, group, strip } = drawn;
  const lanes = lanesOf(strip);
  group.replaceChildren();
  group.dataset.kind = crossing.kind;
  group.setAttribute("aria-label", descriptionOf(crossing));
  if (crossing.kind === "break") {
    shapes.drawBreak(group, crossing, lanes);
    if (drawn.nextTry !== undefined) drawWait(drawn);
  } else if (crossing.kind === "news") {
    drawn.hasLabel ??= claimLabel(crossing, strip);
    shapes.drawUpdate(group, crossing, lanes, drawn.hasLabel);
  } else {
    shapes.drawMessage(group, crossing, drawn.previous, lanes);
  }
}

/** Returns what a screen reader says about a mark. */
function descriptionOf({ kind, what, time, bytes }) {
  const values = { kind: sentence(KIND_NAMES[kind]), what, time: clock(time), bytes };
  return sentence(bytes > 0 ? "timeline.mark-with-bytes" : "timeline.mark", values);
}

/** Returns whether there is room for the label of an update, and takes it. */
function claimLabel(crossing, strip) {
  const width = timeOf(shapes.labelOf(crossing).length * CHARACTER_WIDTH);
  const begin = crossing.time - width / 2;
  if (begin < (labelEnds[strip] ?? 0)) return false;
  labelEnds[strip] = begin + width;
  return true;
}

function drawExchange({ exchange, group, strip }) {
  const lanes = lanesOf(strip);
  group.replaceChildren();
  if (exchange.wasQueued) {
    const until = exchange.hasLeft ? exchange.request.time : exchange.endedAt;
    shapes.drawQueued(group, exchange.requestedAt, until, lanes);
  }
  // What the page itself asks for is answered at once: its two arrows say it all.
  if (exchange.isOwn || (exchange.wasQueued && !exchange.hasLeft)) return;
  shapes.drawOpen(group, exchange, crossings.get(exchange.request.id)?.previous ?? null, lanes);
}

/** Begins to draw the wait after a break. The time of the next try is not known yet. */
function startBackOff(drawn) {
  drawn.nextTry = null;
  openBreaks.set(drawn.strip, drawn);
}

/** Draws the wait after a break. */
function drawWait(drawn) {
  const { crossing, strip, nextTry } = drawn;
  drawn.wait?.remove();
  drawn.wait = svgElement("g", { "data-from": crossing.id }, nextTry === null ? bars : tries);
  shapes.drawBackOff(drawn.wait, crossing.time, nextTry, lanesOf(strip));
}

/** Ends the wait after a break: this is the next try. */
function endBackOff(strip, exchange) {
  const drawn = openBreaks.get(strip);
  if (!drawn || exchange.isOwn) return;
  openBreaks.delete(strip);
  drawn.nextTry = exchange.requestedAt;
  drawWait(drawn);
}

/** Draws the waits that are not over until the next try.
 *  @param {number} time in milliseconds since 1970 */
export function planTry(time) {
  for (const drawn of openBreaks.values()) {
    drawn.nextTry = time;
    drawWait(drawn);
  }
}

/** Removes what belongs to a row. */
export function removeRow(id) {
  for (const drawn of [crossings.get(id), exchanges.get(id)]) {
    drawn?.group.remove();
    drawn?.wait?.remove();
  }
  crossings.delete(id);
  exchanges.delete(id);
}

/** Removes everything but the requests that are still open. */
export function keepOnly(open) {
  for (const id of [...crossings.keys(), ...exchanges.keys()]) removeRow(id);
  openBreaks.clear();
  labelEnds.length = 0;
  lastReceived.length = 0;
  resetStrips();
  drawFrame();
  for (const exchange of open) {
    showCrossing(exchange.request);
    showExchange(exchange);
  }
}
