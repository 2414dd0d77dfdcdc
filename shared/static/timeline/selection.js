// Links the drawing with the rows of the wire: what the pointer is on, or what has the focus, is selected in both.

import { hold } from "/shared/timeline/view.js";
import { openRow, rows, selectRow } from "/shared/wire/rows.js";

const svg = document.getElementById("timeline");

/** The id of the selected row, or null. */
let selected = null;

/** Selects a row and what is drawn for it; null selects none. */
function select(id) {
  if (id === selected) return;
  for (const element of svg.querySelectorAll(".selected")) element.classList.remove("selected");
  selected = id;
  const drawn = id === null ? [] : [...svg.querySelectorAll(`[data-row="${id}"]`)];
  for (const element of drawn) element.classList.add("selected");
  selectRow(id);
}

/** Selects what was left by the pointer or the focus no longer; what still has the focus stays selected. */
function release() {
  const focused = document.activeElement?.closest?.("#timeline [data-row], #wire-rows li");
  const id = focused?.matches(":focus-visible, :has(:focus-visible)") ? (focused.dataset.row ?? focused.id) : null;
  select(id);
  if (id === null) hold(null);
}

/** Returns the id of the row that an element of the drawing belongs to, or null. */
const rowOf = (target) => target.closest("[data-row]")?.dataset.row ?? null;

/** Returns the time of the crossing with this row. */
const timeOfRow = (id) => Number(document.getElementById(id)?.dataset.time) || null;

svg.addEventListener("pointerover", ({ target }) => {
  const id = rowOf(target);
  if (id === null) return;
  select(id);
  hold(timeOfRow(id));
});
svg.addEventListener("pointerout", ({ relatedTarget }) => {
  if (!relatedTarget?.closest?.("#timeline [data-row]")) release();
});
svg.addEventListener("focusin", ({ target }) => {
  const id = rowOf(target);
  if (id === null) return;
  select(id);
  hold(timeOfRow(id));
});
svg.addEventListener("focusout", release);
svg.addEventListener("click", ({ target }) => {
  const id = rowOf(target);
  if (id !== null) openRow(id);
});

rows.addEventListener("pointerover", ({ target }) => selectFromWire(target));
rows.addEventListener("focusin", ({ target }) => selectFromWire(target));
rows.addEventListener("pointerleave", release);
rows.addEventListener("focusout", release);

function selectFromWire(target) {
  const id = target.closest("li")?.id;
  if (!id) return;
  select(id);
  hold(timeOfRow(id));
}

svg.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
  const marks = [...svg.querySelectorAll(".marks > [data-row]")];
  if (event.altKey || event.ctrlKey || event.metaKey || marks.length === 0) return;
  if (event.key === "Enter") {
    const id = rowOf(event.target);
    if (id !== null) openRow(id);
  } else if (event.key === "Escape") {
    svg.focus();
  } else if (step) {
    const position = marks.indexOf(document.activeElement);
    // From the drawing itself to the newest mark.
    const next = position === -1 ? marks.length - 1 : Math.min(Math.max(position + step, 0), marks.length - 1);
    marks[next].focus();
  } else {
    return;
  }
  event.preventDefault();
});
