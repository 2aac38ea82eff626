// Compare: the same photos with other backbones.

import { post } from "../api.js";
import { live, refresh, trained } from "../live.js";
import { attempt, tell } from "../messages.js";
import { percent, t } from "../text.js";
import { html, useState } from "../vendor/preact.js";
import { Interval } from "../parts/curve.js";
import { Job } from "../parts/job.js";

export function Compare() {
  const { backbones, backbone } = live.state;
  const [off, toggle] = useState(() => new Set());
  if (!trained()) return html`<p class="nothing">${t("try.untrained")} <a href="#make">${t("go.make")}</a></p>`;
  const wanted = backbones.map(({ handle }) => handle).filter((handle) => !off.has(handle));
  const job = [...live.jobs.values()].filter(({ kind }) => kind === "compare").at(-1);
  const start = (event) => {
    event.preventDefault();
    attempt(() => post("/api/compare", { backbones: wanted }));
  };
  const flip = (handle) => toggle((before) => new Set(before.has(handle) ? [...before].filter((one) => one !== handle) : [...before, handle]));
  return html`
    <p class="lead">${t("compare.lead")}</p>
    <form onSubmit=${start}>
      <fieldset>
        <legend>${t("compare.which")}</legend>
        ${backbones.map(
          ({ handle, name }) => html`
            <label key=${handle} class="choice" title=${handle}>
              <input type="checkbox" checked=${!off.has(handle)} onChange=${() => flip(handle)} />
              <span>${name}${handle === backbone && html` <span class="count">${t("compare.in-use")}</span>`}</span>
            </label>`,
        )}
      </fieldset>
      ${backbones.length < 2 && html`<p class="quiet">${t("compare.one")}</p>`}
      <button class="main" disabled=${wanted.length < 2 || job?.state === "running"}>${t("compare.start")}</button>
    </form>
    ${job && html`<${Job} job=${job} />`}
    ${job?.state === "done" && html`<${Result} result=${job.result} backbone=${backbone} />`}`;
}

function Result({ result: { rows, verdict, failed }, backbone }) {
  const use = async (handle, name) => {
    if (!(await attempt(() => post("/api/backbone", { handle })))) return;
    tell(t("compare.used", { name }));
    refresh();
  };
  return html`
    <p class="verdict small" role="status">${verdict}</p>
    <div class="scroll" tabindex="0" role="region" aria-label=${t("compare.table")}>
      <table class="ranking">
        <thead><tr><th scope="col">${t("compare.backbone")}</th><th scope="col">${t("compare.right")}</th>
          <th scope="col">${t("compare.speed")}</th><th scope="col"><span class="unseen">${t("compare.use")}</span></th></tr></thead>
        <tbody>
          ${rows.map(
            ({ backbone: handle, name, accuracy, interval, photos_per_second: speed }) => html`
              <tr key=${handle}>
                <th scope="row" title=${handle}>${name}</th>
                <td><strong>${percent(accuracy)}</strong> <span class="quiet">${t("compare.between", { low: percent(interval[0]), high: percent(interval[1]) })}</span>
                  <${Interval} share=${accuracy} interval=${interval} /></td>
                <td>${t("compare.per-second", { n: Math.round(speed) })}</td>
                <td>${handle === backbone ? html`<span class="count">${t("compare.in-use")}</span>` : html`<button onClick=${() => use(handle, name)}>${t("compare.use")}</button>`}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${failed.length > 0 && html`<ul class="files">${failed.map(({ backbone: handle, reason }) => html`<li key=${handle}><strong>${handle}</strong> <span>${reason}</span></li>`)}</ul>`}`;
}
