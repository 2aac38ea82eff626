// Share: what leaves the page, each with one button.

import { post } from "../api.js";
import { live, trained } from "../live.js";
import { useFetched } from "../fetched.js";
import { attempt, tell } from "../messages.js";
import { t } from "../text.js";
import { html, useState } from "../vendor/preact.js";
import { icon } from "../parts/icons.js";
import { Job } from "../parts/job.js";

const asked = new Map(); // format -> number of its job: kept when the view is left

export function Share() {
  const { data: share, error } = useFetched("/api/share");
  if (!trained()) return html`<p class="nothing">${t("try.untrained")} <a href="#make">${t("go.make")}</a></p>`;
  return html`
    <div class="cards">
      <section class="card">
        <h3>${t("share.report")}</h3>
        <p>${t("share.report-what")}</p>
        <a class="button main" href="/download/report.html" download>${icon("down")} ${t("share.report-get")}</a>
      </section>
      <section class="card">
        <h3>${t("share.bundle")}</h3>
        <p>${t("share.bundle-what")}</p>
        <a class="button main" href="/download/classifier.zip" download>${icon("down")} ${t("share.bundle-get")}</a>
      </section>
      <section class="card">
        <h3>${t("share.serve")}</h3>
        <p>${t("share.serve-what")}</p>
        ${share && html`<${Line} line=${share.serve} />`}
      </section>
      <section class="card wide">
        <h3>${t("share.export")}</h3>
        <p>${t("share.export-what")}</p>
        ${!share && html`<p role="status">${error ?? t("loading")}</p>`}
        <ul class="formats">${share?.formats.map((format) => html`<${Format} key=${format.name} format=${format} />`)}</ul>
      </section>
    </div>`;
}

function Line({ line }) {
  const copy = async () => {
    await attempt(() => navigator.clipboard.writeText(line));
    tell(t("share.copied"));
  };
  return html`
    <pre tabindex="0" aria-label=${t("share.serve")}><code>${line}</code></pre>
    <button onClick=${copy}>${icon("copy")} ${t("share.copy")}</button>`;
}

function Format({ format: { name, what, note, possible, why_not: obstacle } }) {
  const [, again] = useState(0);
  const job = live.jobs.get(asked.get(name));
  const make = async () => {
    const answer = await attempt(() => post("/api/export", { format: name }));
    if (answer) asked.set(name, answer.job);
    again((n) => n + 1);
  };
  return html`
    <li>
      <div><strong>${name}</strong> <span class="quiet">${possible ? [what, note].filter(Boolean).join(". ") : obstacle}</span></div>
      ${job?.state === "done"
        ? html`<a class="button main" href=${job.result.url} download=${job.result.name}>${icon("down")} ${t("share.get", { name })}</a>`
        : html`<button disabled=${!possible || job?.state === "running"} onClick=${make}>${t("share.make", { name })}</button>`}
      ${job && html`<${Job} job=${job} />`}
      ${job?.result?.notes.map((line) => html`<p class="quiet">${line}</p>`)}
    </li>`;
}
