// Where things are on the timeline. The scale is the same in every lesson: the last 20 s.

/** How much of the past is in sight, in seconds. */
export const VISIBLE_SECONDS = 20;
/** The space right of "now", for a next try whose time is known, in pixels. */
const FUTURE_WIDTH = 34;

/** The height of the axis above the strips. */
export const AXIS_HEIGHT = 16;
/** The least height of a strip. A strip shows one address, with a lane for the browser and one for the server. */
const MIN_STRIP_HEIGHT = 114;
/** The height of all strips together. With one or two strips it is always the same, so that a second one moves nothing
 *  on the page. A narrow screen and a frame have less room. */
const WIDE_HEIGHT = 228, NARROW_HEIGHT = 150;
/** From this width of the timeline on there is room for the larger height. */
const WIDE = 560;
/** Whether the page is a frame in another page, which shows several of them. */
const isReduced = document.body.dataset.view === "timeline";
/** Where the browser's lane is in a strip, and how far the server's lane is from the strip's end. */
const BROWSER_LANE = 32, BELOW_SERVER_LANE = 20;
/** How far a line between the lanes leans, in pixels. It shows the direction; how long a message travels is unknown to
 *  a page. */
export const SLANT = 6;

/** An open connection has no end yet: it reaches so far into the future, in milliseconds, and is cut off at "now". */
export const NO_END = 3_600_000;

/** A request that waits for longer than this is held by the server, in milliseconds. */
export const HELD = 700;

/** The area of a dot is in proportion to its bytes: this is the radius of one byte, in pixels. */
const RADIUS_OF_BYTE = 0.21;
/** The largest radius. A dot that should be larger gets a cross. */
export const MAX_RADIUS = 15;

/** Returns the radius of a dot for so many bytes, in pixels.
 *  @param {number} bytes */
export const radius = (bytes) => Math.min(Math.sqrt(bytes) * RADIUS_OF_BYTE, MAX_RADIUS);

/** The scale. `origin` is the time at x = 0 of what moves, in milliseconds since 1970. */
const scale = { origin: 0, pixelsPerSecond: 1, width: 0, strips: 1 };

/** Returns whether the scale has changed, so that everything has to be drawn again.
 *  @param {number} width of the timeline in pixels
 *  @param {number} origin in milliseconds since 1970 */
export function setScale(width, origin) {
  if (width === scale.width && origin === scale.origin) return false;
  const pixelsPerSecond = Math.max(width - FUTURE_WIDTH, 1) / VISIBLE_SECONDS;
  Object.assign(scale, { width, origin, pixelsPerSecond });
  return true;
}

/** Sets the number of strips, which share the height. */
export function setStrips(count) {
  scale.strips = count;
}

function stripHeight() {
  const height = scale.width < WIDE || isReduced ? NARROW_HEIGHT : WIDE_HEIGHT;
  return Math.max(Math.floor(height / scale.strips), MIN_STRIP_HEIGHT);
}

/** Returns the height of the axis and all strips, in pixels. */
export const totalHeight = () => AXIS_HEIGHT + scale.strips * stripHeight();

/** Returns the x of a time, in what moves. */
export const xOf = (time) => ((time - scale.origin) / 1000) * scale.pixelsPerSecond;

/** Returns how much time so many pixels are, in milliseconds. */
export const timeOf = (pixels) => (pixels / scale.pixelsPerSecond) * 1000;

/** Returns the x of "now", which does not move. */
export const nowX = () => scale.width - FUTURE_WIDTH;

/** Returns where the lanes of a strip are: the first strip has the index 0. */
export function lanesOf(index) {
  const top = AXIS_HEIGHT + index * stripHeight();
  return { top, browser: top + BROWSER_LANE, server: top + stripHeight() - BELOW_SERVER_LANE };
}
