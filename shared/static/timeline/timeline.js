// The timeline: when something crosses the network, who waits for whom, and how late an update is. It draws what the
// panel of the wire reports, and knows nothing else.

import * as drawing from "/shared/timeline/drawing.js";
import { describePattern } from "/shared/timeline/pattern.js";
import "/shared/timeline/report.js";
import "/shared/timeline/selection.js";
import { show } from "/shared/timeline/view.js";
import { traffic } from "/shared/wire/panel.js";
import { onTick, tickEarly } from "/shared/wire/ticker.js";

traffic.addEventListener("crossing", ({ detail }) => {
  drawing.showCrossing(detail);
  tickEarly();
});
traffic.addEventListener("exchange", ({ detail }) => drawing.showExchange(detail));
traffic.addEventListener("removed", ({ detail }) => drawing.removeRow(detail));
traffic.addEventListener("cleared", ({ detail }) => {
  drawing.keepOnly(detail);
  show();
});

const pattern = document.getElementById("timeline-pattern");

onTick(() => {
  const text = describePattern(drawing.drawnCrossings(), drawing.drawnExchanges(), Date.now());
  if (pattern.textContent !== text) pattern.textContent = text;
});

// The page knows when it is going to try again: `#status` has the time in milliseconds since 1970.
const status = document.getElementById("status");
new MutationObserver(() => {
  const time = Number(status.dataset.retryAt);
  if (time > Date.now()) drawing.planTry(time);
}).observe(status, { attributeFilter: ["data-retry-at"] });
