// Look: the photos sorted by doubt, the mistakes, what to check, the map, and the files that could not be used.

import { classNames, allPhotos, live, photosOf, trained } from "../live.js";
import { useFetched } from "../fetched.js";
import { percent, t } from "../text.js";
import { uploads } from "../uploads.js";
import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { Confusion } from "../parts/confusion.js";
import { Grid } from "../parts/grid.js";
import { Check } from "./check.js";
import { PhotoMap } from "./map.js";

const PARTS = { photos: Photos, mistakes: Mistakes, check: Check, map: PhotoMap, unusable: Unusable };

export function Look({ part = "photos" }) {
  const { data: findings, error } = useFetched("/api/findings");
  const counts = {
    mistakes: trained() ? mistakes().length : 0,
    check: findings ? findings.labels.length + findings.copies.length + findings.looks.length : 0,
    unusable: (findings?.unusable.length ?? 0) + uploads.refused.length,
  };
  const Part = PARTS[part] ?? Photos;
  const bar = useRef();
  useEffect(() => bar.current.querySelector("[aria-current]").scrollIntoView({ block: "nearest", inline: "nearest" }), [Part]);
  return html`
    <nav class="parts" ref=${bar} aria-label=${t("look.parts")}>
      ${Object.keys(PARTS).map(
        (name) => html`
          <a key=${name} href="#look/${name}" aria-current=${Part === PARTS[name] ? "page" : undefined}>
            ${t(`look.${name}`)}${counts[name] ? html` <span class="count">${counts[name]}</span>` : ""}
          </a>`,
      )}
    </nav>
    ${live.photos.size || part === "unusable"
      ? html`<${Part} findings=${findings} error=${error} />`
      : html`<p class="nothing">${t("look.empty")} <a href="#make">${t("go.make")}</a></p>`}`;
}

const byDoubt = (photos) => [...photos].sort((a, b) => (b.doubt ?? -1) - (a.doubt ?? -1));
const mistakes = () => byDoubt(allPhotos().filter(({ label, predicted }) => predicted != null && predicted !== label));

function Photos() {
  const [wanted, want] = useState("");
  const label = classNames().includes(wanted) ? wanted : "";
  const photos = byDoubt(label ? photosOf(label) : allPhotos());
  const caption = ({ doubt }) => [doubt == null ? "" : percent(1 - doubt)];
  return html`
    <div class="row bar">
      <label for="which">${t("look.class")}</label>
      <select id="which" value=${label} onChange=${(event) => want(event.target.value)}>
        <option value="">${t("look.all")}</option>
        ${classNames().map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
      </select>
      <p class="quiet">${trained() ? t("look.sorted") : t("look.unsorted")}</p>
    </div>
    <${Grid} key=${label} photos=${photos} name=${label || t("look.all")} size=${104} caption=${caption} lines=${1} />`;
}

function Mistakes() {
  if (!trained()) return html`<p class="nothing">${t("look.untrained")}</p>`;
  const photos = mistakes();
  const caption = ({ label, predicted }) => [label, t("look.taken-for", { predicted })];
  return html`
    ${photos.length
      ? html`<p class="lead">${t("look.mistakes-lead", { n: photos.length })}</p>
          <${Grid} photos=${photos} name=${t("look.mistakes")} size=${128} caption=${caption} lines=${2} />`
      : html`<p class="nothing">${t("look.no-mistakes")}</p>`}
    <${Confusion} training=${live.state.training} />`;
}

function Unusable({ findings }) {
  const files = [...(findings?.unusable ?? []), ...uploads.refused];
  if (!files.length) return html`<p class="nothing">${t("look.all-usable")}</p>`;
  return html`
    <p class="lead">${t("look.unusable-lead", { n: files.length })}</p>
    <ul class="files">
      ${files.map(({ name, reason }) => html`<li><strong>${name}</strong> <span>${reason}</span></li>`)}
    </ul>`;
}
