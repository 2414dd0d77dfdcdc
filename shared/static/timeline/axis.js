// The axis of the timeline: a line each five seconds, with the time, and a tick each second. It moves with what happened,
// so that a minute without any message is as long as every other minute.

import { AXIS_HEIGHT, VISIBLE_SECONDS, xOf } from "/shared/timeline/geometry.js";
import { svgElement, svgText } from "/shared/timeline/svg.js";

/** The distance between two lines, in milliseconds. */
const STEP = 5000;
const SECOND = 1000;

/** The time of the last line that was drawn. */
let last = 0;

/** Draws the lines of the time in sight that are not there yet, and removes those from before `oldest`.
 *  @param {SVGElement} layer
 *  @param {number} oldest in milliseconds since 1970
 *  @param {number} height of the lines in pixels */
export function updateAxis(layer, oldest, height) {
  const first = Math.floor(Math.min(oldest, Date.now() - VISIBLE_SECONDS * SECOND) / STEP) * STEP;
  for (let time = Math.max(first, last + STEP); time <= Date.now(); time += STEP) {
    drawLine(layer, time, height);
    last = time;
  }
  while (Number(layer.firstChild?.dataset.time) < first) layer.firstChild.remove();
}

/** Removes all lines, so that the next update draws them again. */
export function resetAxis(layer) {
  layer.replaceChildren();
  last = 0;
}

function drawLine(layer, time, height) {
  const group = svgElement("g", { class: "axis" }, layer);
  group.dataset.time = time;
  let ticks = "";
  for (let second = 1; second * SECOND < STEP; second += 1) ticks += `M${xOf(time + second * SECOND)},${AXIS_HEIGHT}v4`;
  svgElement("path", { class: "tick", d: ticks }, group);
  svgElement("path", { class: "grid-line", d: `M${xOf(time)},${AXIS_HEIGHT}V${height}` }, group);
  svgText(new Date(time).toLocaleTimeString("en-GB"), { x: xOf(time) + 4, y: AXIS_HEIGHT - 4 }, group);
}
