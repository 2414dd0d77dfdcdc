// The strips of the timeline: one for each address, with a lane for the browser and one for the server. What does not
// move is drawn here: lanes, names, and the line "now".

import { sentence } from "/shared/sentences.js";
import { AXIS_HEIGHT, lanesOf, nowX, setStrips, totalHeight } from "/shared/timeline/geometry.js";
import { svgElement, svgText } from "/shared/timeline/svg.js";

/** How many strips there can be. Further addresses share the last one. */
const MAX_STRIPS = 3;

/** A random part of an address, such as the id of a login. All that differ only in it share a strip. */
const RANDOM_PART = /\/[\w-]{16,}/;

/** The addresses of a chat room, one for each transport. They share a strip, so that it shows the change from one to another. */
const TRANSPORT = /^(\/rooms\/[^/]+)\/(ws|events|messages)$/;

/** The address of each strip. The first one is empty until something crosses. */
const paths = [];

/** Returns the strip for an exchange. What the page itself sends belongs to the first strip, beside its effect.
 *  @param {{ path: string, isOwn: boolean }} exchange
 *  @returns {number} the index of the strip */
export function stripOf({ path, isOwn }) {
  const address = path.replace(RANDOM_PART, "/…").replace(TRANSPORT, "$1/…");
  const known = paths.indexOf(address);
  if (known !== -1) return known;
  if (isOwn) return 0;
  if (paths.length < MAX_STRIPS) paths.push(address);
  setStrips(stripCount());
  return paths.length - 1;
}

/** Forgets the addresses of all strips but the first, which keeps its place. */
export function resetStrips() {
  paths.length = Math.min(paths.length, 1);
  setStrips(stripCount());
}

/** Returns the number of strips: at least one. */
export const stripCount = () => Math.max(paths.length, 1);

/** Draws the lanes and their names in the place of what was drawn before. */
export function drawStrips(frame) {
  frame.replaceChildren();
  for (let index = 0; index < stripCount(); index += 1) {
    const { top, browser, server } = lanesOf(index);
    svgText(sentence("timeline.browser"), { class: "lane-name", x: 0, y: top + 12 }, frame);
    svgText(paths[index] ?? "", { class: "address", x: nowX(), y: top + 12 }, frame);
    svgText(sentence("timeline.server"), { class: "lane-name", x: 0, y: server + 16 }, frame);
    for (const y of [browser, server]) svgElement("path", { class: "lane", d: `M0,${y}H${nowX()}` }, frame);
  }
  svgElement("path", { class: "now", d: `M${nowX()},${AXIS_HEIGHT}V${totalHeight()}` }, frame);
  svgText(sentence("timeline.now"), { class: "now-name", x: nowX() + 5, y: AXIS_HEIGHT - 4 }, frame);
}
