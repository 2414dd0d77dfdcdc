// One clock for everything on the page that runs with the time. Each change of a page lets the browser compose it again,
// which costs 2 to 3 ms of a processor without graphics hardware. So all that moves does so together, once a second;
// the timeline should not take more than a hundredth of a core.

/** How often the page moves, in milliseconds. */
const TICK = 1000;
/** The same for people who have asked their system for less motion. */
const REDUCED_TICK = 2000;

const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
const listeners = [];
let timer;
let last = 0;

/** Calls `listener` at each tick.
 *  @param {() => void} listener */
export const onTick = (listener) => listeners.push(listener);

/** Ticks now, because the page changes now anyway, unless the last tick was only just. */
export function tickEarly() {
  if (Date.now() - last > period() / 2) tick();
}

const period = () => (reducedMotion.matches ? REDUCED_TICK : TICK);

function tick() {
  clearTimeout(timer);
  timer = setTimeout(tick, period());
  last = Date.now();
  if (document.hidden) return;
  for (const listener of listeners) listener();
}

timer = setTimeout(tick, period());
