// One class on the Make page: its photos, and all ways to add more.

import { carriesFiles, chosen as files, dropped, loose } from "../files.js";
import { photosOf } from "../live.js";
import { attempt } from "../messages.js";
import { move } from "../selection.js";
import { percent, t } from "../text.js";
import { send } from "../uploads.js";
import { html, useRef, useState } from "../vendor/preact.js";
import { DRAGGED, Grid } from "./grid.js";
import { icon } from "./icons.js";

export const PHOTOS = "image/*,.heic,.heif,.zip";

/** What a drop on an element does, and whether something is held above it. */
export function useDrop({ photos, ids }) {
  const [over, hover] = useState(false);
  const welcome = ({ dataTransfer }) => carriesFiles(dataTransfer) || (ids && [...dataTransfer.types].includes(DRAGGED));
  const props = {
    onDragOver: (event) => {
      if (!welcome(event)) return;
      event.preventDefault();
      event.stopPropagation();
      hover(true);
    },
    onDragLeave: (event) => event.currentTarget.contains(event.relatedTarget) || hover(false),
    onDrop: (event) => {
      hover(false);
      if (!welcome(event)) return;
      event.preventDefault();
      event.stopPropagation();
      if (carriesFiles(event.dataTransfer)) attempt(async () => photos(await dropped(event.dataTransfer)));
      else ids(JSON.parse(event.dataTransfer.getData(DRAGGED)));
    },
  };
  return [over, props];
}

/** edit, webcam, phone: called with the class when its window is asked for. */
export function Class({ of, recall, colour, edit, webcam, phone }) {
  const { name, wants_more: hungry, why } = of;
  const photos = photosOf(name);
  const picker = useRef();
  const [over, drop] = useDrop({ photos: (list) => send(name, loose(list)), ids: (list) => move(list, name) });
  return html`
    <section class=${over ? "class over" : "class"} data-colour=${colour} aria-label=${t("class.region", { name })} ...${drop}>
      <header>
        <h3><button class="plain name" title=${t("class.edit-hint")} onClick=${() => edit(name)}>
          <span class="text">${name}</span> ${icon("pencil")}<span class="unseen">${t("class.edit")}</span>
        </button></h3>
        <p class="quiet">
          ${t("photos", { n: photos.length })}${recall && ` · ${t("class.found", { share: percent(recall.recall) })}`}
        </p>
      </header>
      ${photos.length
        ? html`<${Grid} photos=${photos} name=${t("class.photos", { name })} />`
        : html`<button class="plain empty" onClick=${() => picker.current.click()}>${icon("photos")}<span>${t("class.empty")}</span></button>`}
      ${hungry && photos.length > 0 && html`<p class="hungry">${why}</p>`}
      <footer>
        <button onClick=${() => picker.current.click()}>${icon("add")} ${t("class.add")}<span class="unseen"> ${t("class.to", { name })}</span></button>
        <button onClick=${() => webcam(name)}>${icon("camera")} ${t("class.webcam")}<span class="unseen"> ${t("class.to", { name })}</span></button>
        <button class="icon-only" title=${t("class.phone")} aria-label=${`${t("class.phone")} ${t("class.to", { name })}`} onClick=${() => phone(name)}>${icon("phone")}</button>
      </footer>
      <input ref=${picker} type="file" multiple hidden accept=${PHOTOS} data-class=${name} onChange=${(event) => send(name, files(event.target))} />
      <p class="let-go" aria-hidden="true">${t("class.let-go", { name })}</p>
    </section>`;
}
