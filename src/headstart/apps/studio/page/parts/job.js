// Long work on the server: how far it is, a way to stop it, and how it failed.

import { post } from "../api.js";
import { attempt } from "../messages.js";
import { percent, t } from "../text.js";
import { html } from "../vendor/preact.js";

export function Job({ job }) {
  if (job.state === "failed") return html`<p role="alert" class="failed">${job.error}</p>`;
  if (job.state === "cancelled") return html`<p role="status">${t("job.cancelled")}</p>`;
  if (job.state !== "running") return null;
  return html`
    <div class="row job">
      <progress max="1" value=${job.done < 1 ? job.done : undefined} aria-label=${t("job.running")} />
      <span class="quiet">${job.done < 1 ? percent(job.done) : t("job.nearly")}</span>
      <button onClick=${() => attempt(() => post(`/api/jobs/${encodeURIComponent(job.id)}/cancel`))}>${t("job.cancel")}</button>
    </div>`;
}
