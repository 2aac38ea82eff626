// What a person should decide: labels that are probably wrong, near copies, photos that show little.

import { post } from "../api.js";
import { live } from "../live.js";
import { attempt } from "../messages.js";
import { move, takeOut } from "../selection.js";
import { t } from "../text.js";
import { html, useState } from "../vendor/preact.js";
import { thumb } from "../parts/grid.js";
import { look } from "../parts/viewer.js";

const AT_ONCE = 50; // findings in the page; the next ones come as these are dealt with

export function Check({ findings, error }) {
  const [kept, put] = useState(() => new Set()); // since the findings came
  if (error && !findings) return html`<p class="nothing">${error}</p>`;
  if (!findings) return html`<p class="nothing" role="status">${t("loading")}</p>`;
  const keep = (key, body) => async () => {
    if (await attempt(() => post("/api/findings/keep", body))) put((before) => new Set(before).add(key));
  };
  const there = ({ id }) => live.photos.has(id);
  const labels = findings.labels.filter((one) => there(one) && !kept.has(`label ${one.id}`) && live.photos.get(one.id).label === one.label);
  const copies = findings.copies
    .map((ids) => ids.filter((id) => live.photos.has(id)))
    .filter((ids) => ids.length > 1 && !kept.has(`copies ${ids}`));
  const looks = findings.looks.filter((one) => there(one) && !kept.has(`look ${one.id}`));
  if (!labels.length && !copies.length && !looks.length) return html`<p class="nothing">${t("check.nothing")}</p>`;

  const wrong = ({ id, label, suggested, because }) => html`
    <li key=${id} class="finding">
      <${Thumb} id=${id} />
      <div>
        <p>${t("check.label", { label, suggested })}</p>
        ${because && html`<p class="quiet">${because}</p>`}
        <div class="row">
          <button class="main" onClick=${() => move([id], suggested)}>${t("check.move", { to: suggested })}</button>
          <button onClick=${keep(`label ${id}`, { id })}>${t("check.keep-label", { label })}</button>
        </div>
      </div>
    </li>`;
  const alike = (ids) => html`
    <li key=${ids.join()} class="finding">
      <div class="strip">${ids.map((id) => html`<${Thumb} key=${id} id=${id} />`)}</div>
      <div>
        <p>${t("check.copies", { n: ids.length })}</p>
        <div class="row">
          <button class="main" onClick=${() => takeOut(ids.slice(1))}>${t("check.first-only")}</button>
          <button onClick=${keep(`copies ${ids}`, { copies: ids })}>${t("check.keep-all")}</button>
        </div>
      </div>
    </li>`;
  const poor = ({ id, what }) => html`
    <li key=${id} class="finding">
      <${Thumb} id=${id} />
      <div>
        <p>${t("check.poor", { what })}</p>
        <div class="row">
          <button class="main" onClick=${() => takeOut([id])}>${t("take-out")}</button>
          <button onClick=${keep(`look ${id}`, { id })}>${t("check.keep")}</button>
        </div>
      </div>
    </li>`;
  return html`
    <${Group} title=${t("check.labels-title")} list=${labels} one=${wrong} />
    <${Group} title=${t("check.copies-title")} list=${copies} one=${alike} />
    <${Group} title=${t("check.looks-title")} list=${looks} one=${poor} />`;
}

function Group({ title, list, one }) {
  if (!list.length) return null;
  return html`
    <section class="group">
      <h3>${title} <span class="count">${list.length}</span></h3>
      <ul class="findings">${list.slice(0, AT_ONCE).map(one)}</ul>
    </section>`;
}

function Thumb({ id }) {
  const photo = live.photos.get(id);
  return html`
    <button class="plain thumb" onClick=${() => look([photo], 0)} aria-label=${t("check.look", { name: photo.name, label: photo.label })}>
      <img src=${thumb(photo)} alt="" loading="lazy" />
    </button>`;
}
