// The photos that are chosen, and what is done with them.

import { post } from "./api.js";
import { changed, live } from "./live.js";
import { attempt, tell } from "./messages.js";
import { t } from "./text.js";

const ids = new Set();

/** The ids of the chosen photos that are still there. */
export const chosen = () => [...ids].filter((id) => live.photos.has(id));
export const isChosen = (id) => ids.has(id);

export function choose(id, on = !ids.has(id)) {
  if (on) ids.add(id);
  else ids.delete(id);
  changed();
}

export function chooseAll(photos) {
  for (const { id } of photos) ids.add(id);
  changed();
}

export function chooseNone() {
  ids.clear();
  changed();
}

let left; // the grid that had the focus last

export const leaveFrom = (grid) => (left = grid);

/** Go on where the focus was before it went to what is done with the chosen photos. */
export const goBack = () => left?.querySelector('[tabindex="0"]')?.focus();

const back = () => ({ label: t("undo"), run: undo });

/** Do one step on the server; say so, and offer to take it back. Gives whether it was done. */
export async function step(action, sentence) {
  const done = await attempt(() => post("/api/do", action));
  if (done && sentence) tell(sentence, back());
  return Boolean(done);
}

export async function move(photos, to) {
  const moving = photos.filter((id) => live.photos.get(id)?.label !== to);
  if (!moving.length) return;
  if (await step({ action: "move", photos: moving, to }, t("moved", { n: moving.length, to }))) chooseNone();
}

export async function takeOut(photos) {
  if (!photos.length) return;
  if (await step({ action: "remove", photos }, t("taken-out", { n: photos.length }))) chooseNone();
}

export async function undo() {
  const what = live.state.undo;
  if (what && (await step({ action: "undo" }))) tell(t("undone", { what }), { label: t("redo"), run: redo });
}

export async function redo() {
  const what = live.state.redo;
  if (what && (await step({ action: "redo" }))) tell(t("redone", { what }), back());
}
