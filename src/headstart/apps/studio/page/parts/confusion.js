// Which class is taken for which: a row for each true class.

import { number, t } from "../text.js";
import { html } from "../vendor/preact.js";

const MOST = 20; // classes: a larger table is no help

export function Confusion({ training: { classes, confusion } }) {
  if (!confusion || classes.length > MOST) return null;
  return html`
    <h3>${t("confusion.title")}</h3>
    <div class="scroll" tabindex="0" role="region" aria-label=${t("confusion.title")}>
      <table class="confusion">
        <thead><tr><th scope="col">${t("confusion.corner")}</th>
          ${classes.map(({ label }) => html`<th scope="col"><span>${label}</span></th>`)}</tr></thead>
        <tbody>
          ${confusion.map((row, i) => {
            const all = row.reduce((a, b) => a + b, 0);
            return html`<tr><th scope="row"><span>${classes[i].label}</span></th>
              ${row.map((n, j) => html`<td class=${i === j ? "hit" : n ? "miss" : ""}
                style=${{ "--share": all ? n / all : 0 }}>${number(n)}</td>`)}</tr>`;
          })}
        </tbody>
      </table>
    </div>`;
}
