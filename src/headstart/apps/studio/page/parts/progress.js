// How good the classifier is by now, and what would make it better.

import { live, trained } from "../live.js";
import { percent, t } from "../text.js";
import { html } from "../vendor/preact.js";
import { Curve, Interval } from "./curve.js";

export function Progress() {
  const { training, classes } = live.state;
  return html`
    <aside class="progress" aria-label=${t("progress.title")}>
      <h3>${t("progress.title")}</h3>
      ${trained() ? html`<${Measured} training=${training} classes=${classes} />` : html`<${NotYet} training=${training} />`}
    </aside>`;
}

function NotYet({ training }) {
  if (training?.state === "running") return html`<p role="status">${t("progress.first")}</p>`;
  return html`<p>${training?.state === "impossible" ? training.why : t("progress.none")}</p>`;
}

function Measured({ training, classes }) {
  const { accuracy, interval, photos, curve, ahead, state, why } = training;
  const [low, high] = interval.map(percent);
  const hungry = classes.filter((one) => one.wants_more);
  return html`
    <p class="figure"><strong>${percent(accuracy)}</strong> ${t("progress.right", { n: photos })}</p>
    <${Interval} share=${accuracy} interval=${interval} />
    <p class="quiet">${t("progress.interval", { low, high })}</p>
    ${state === "running" && html`<p class="quiet" role="status">${t("progress.again")}</p>`}
    ${state === "impossible" && html`<p>${why}</p>`}
    ${curve?.length > 1 && html`<h4>${t("curve.title")}</h4><${Curve} points=${curve} ahead=${ahead} />`}
    <h4>${t("progress.next")}</h4>
    ${hungry.length
      ? html`<ul class="wishes">${hungry.map(({ name, why: reason }) => html`<li key=${name}><strong>${name}</strong> ${reason}</li>`)}</ul>`
      : html`<p>${t("progress.enough")} ${accuracy < 1 && html`<a href="#look/mistakes">${t("progress.mistakes")}</a>`}</p>`}
    <p><a class="button main" href="#try">${t("progress.try")}</a></p>`;
}
