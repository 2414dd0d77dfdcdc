// What part of the time is in sight: it runs with "now", can be paused and scrolled back, and stands still while
// somebody reads.

import { extendAxis, fit, moveTo, oldestTime } from "/shared/timeline/drawing.js";
import { VISIBLE_SECONDS, timeOf } from "/shared/timeline/geometry.js";
import { onTick } from "/shared/wire/ticker.js";

const svg = document.getElementById("timeline");
const pause = document.getElementById("timeline-pause");
const slider = document.getElementById("timeline-scroll");

/** How often the slider gets longer while nobody uses it, in milliseconds. */
const SLIDER_UPDATE = 10_000;

/** The time at the right end while it is paused, and while somebody reads; null otherwise. */
let pausedAt = null;
let heldAt = null;
/** Whether the timeline is on the screen. */
let isInSight = true;
let width = 0;

/** Returns the time at the right end, in milliseconds since 1970. */
const rightTime = () => heldAt ?? pausedAt ?? Date.now();

/** Shows the part of the time that is in sight now. */
export function show() {
  moveTo(rightTime(), heldAt === null && pausedAt === null);
}

onTick(() => {
  if (!isInSight) return;
  fit(width);
  extendAxis();
  if (heldAt === null && pausedAt === null) show();
});

/** Shows how far one can scroll back. */
function updateSlider() {
  const seconds = Math.max(Math.floor((Date.now() - oldestTime()) / 1000 - VISIBLE_SECONDS), 0);
  slider.min = -seconds;
  slider.disabled = seconds === 0;
  if (pausedAt !== null) showPosition();
}

const showPosition = () => (slider.value = Math.round((pausedAt - Date.now()) / 1000));

/** Pauses with this time at the right end, or runs again if it is null.
 *  @param {number | null} time in milliseconds since 1970 */
function pauseAt(time) {
  const oldest = Math.min(oldestTime() + VISIBLE_SECONDS * 1000, Date.now());
  pausedAt = time === null ? null : Math.min(Math.max(time, oldest), Date.now());
  heldAt = null;
  pause.setAttribute("aria-pressed", pausedAt !== null);
  updateSlider();
  if (pausedAt === null) slider.value = 0;
  show();
}

/** Stands still while somebody reads, with `time` in sight.
 *  @param {number | null} time in milliseconds since 1970, or null to run again */
export function hold(time) {
  if (time === null) {
    heldAt = null;
  } else {
    const right = rightTime();
    const isVisible = time <= right && time >= right - VISIBLE_SECONDS * 1000;
    heldAt = isVisible ? right : time + (VISIBLE_SECONDS * 1000) / 2;
  }
  show();
}

pause.addEventListener("click", () => pauseAt(pausedAt === null ? rightTime() : null));
slider.addEventListener("input", () => pauseAt(slider.value === "0" ? null : Date.now() + Number(slider.value) * 1000));

svg.addEventListener("wheel", (event) => {
  const pixels = event.shiftKey ? event.deltaY : event.deltaX;
  if (pixels === 0) return;
  event.preventDefault();
  pauseAt(rightTime() + timeOf(pixels));
}, { passive: false });

/** Where the pointer went down, and the time at the right end then; null while it is up. */
let drag = null;
svg.addEventListener("pointerdown", ({ clientX, button }) => {
  if (button === 0) drag = { clientX, time: rightTime() };
});
svg.addEventListener("pointermove", ({ clientX, pointerId }) => {
  // A click may tremble.
  if (!drag || (Math.abs(clientX - drag.clientX) < 4 && !svg.hasPointerCapture(pointerId))) return;
  svg.setPointerCapture(pointerId);
  pauseAt(drag.time - timeOf(clientX - drag.clientX));
});
for (const type of ["pointerup", "pointercancel"]) svg.addEventListener(type, () => (drag = null));

new ResizeObserver(() => {
  width = svg.clientWidth;
  fit(width);
  show();
}).observe(svg);
new IntersectionObserver(([entry]) => (isInSight = entry.isIntersecting)).observe(svg);

for (const type of ["pointerenter", "focus"]) slider.addEventListener(type, updateSlider);
setInterval(updateSlider, SLIDER_UPDATE);
width = svg.clientWidth;
fit(width);
show();
