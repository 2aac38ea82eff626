// One photo, large, with what the classifier takes it for; arrows go to the next.

import { classNames, live } from "../live.js";
import { move, takeOut } from "../selection.js";
import { percent, t } from "../text.js";
import { html, useEffect, useReducer, useState } from "../vendor/preact.js";
import { Dialog } from "./dialog.js";
import { icon } from "./icons.js";
import { PickClass } from "./pick.js";

let open = null; // {ids, at}
let draw = () => {};

/** Open the photo at a place of a list. */
export function look(photos, at) {
  open = { ids: photos.map(({ id }) => id), at };
  draw();
}

export function Viewer() {
  const [, again] = useReducer((n) => n + 1, 0);
  useEffect(() => {
    draw = again;
  }, []);
  return open && html`<${Open} key="viewer" />`;
}

function Open() {
  const [at, go] = useState(open.at);
  const ids = open.ids.filter((id) => live.photos.has(id));
  const photo = live.photos.get(ids[Math.min(at, ids.length - 1)]);
  const close = () => {
    open = null;
    draw();
  };
  useEffect(() => {
    if (!photo) close();
  }, [photo]);
  if (!photo) return null;
  const place = Math.min(at, ids.length - 1);
  const keys = (event) => {
    if (event.target.matches("select, input")) return;
    if (event.key === "ArrowRight") go(Math.min(ids.length - 1, place + 1));
    if (event.key === "ArrowLeft") go(Math.max(0, place - 1));
    if (event.key === "Delete") takeOut([photo.id]);
  };
  return html`
    <${Dialog} title=${photo.name} close=${close} keys=${keys} wide>
      <div class="viewer">
        <div class="big-photo"><img src="/photo/${encodeURIComponent(photo.id)}?v=${encodeURIComponent(photo.v)}" alt=${photo.name} /></div>
        <div class="row">
          <button class="icon-only" aria-label=${t("previous")} disabled=${!place} onClick=${() => go(place - 1)}>${icon("previous")}</button>
          <span class="quiet">${t("viewer.place", { place: place + 1, n: ids.length })}</span>
          <button class="icon-only" aria-label=${t("next")} disabled=${place === ids.length - 1} onClick=${() => go(place + 1)}>${icon("next")}</button>
        </div>
        <p role="status">${verdict(photo)}</p>
        <div class="row">
          ${classNames().length > 1 &&
          html`<${PickClass} id="viewer-move" label=${t("move-to")} names=${classNames().filter((name) => name !== photo.label)}
            button=${t("move")} pick=${(name) => move([photo.id], name)} />`}
          <button onClick=${() => takeOut([photo.id])}>${icon("trash")} ${t("take-out")}</button>
        </div>
      </div>
    <//>`;
}

function verdict({ label, predicted, probability, doubt }) {
  if (predicted === undefined || predicted === null) return t("viewer.label", { label });
  if (predicted === label) return t("viewer.agrees", { label, sure: percent(1 - doubt) });
  return t("viewer.disagrees", { label, predicted, sure: percent(probability) });
}
