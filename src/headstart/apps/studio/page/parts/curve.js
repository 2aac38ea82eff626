// The learning curve: how many new photos would be right, with few photos per class and with more.

import { percent, t } from "../text.js";
import { html } from "../vendor/preact.js";

const WIDTH = 320;
const HEIGHT = 150;
const LEFT = 44;
const RIGHT = 12;
const TOP = 10;
const BOTTOM = 24;

/** points: `[{per_class, accuracy, interval}]`, growing in `per_class`; ahead: what is expected with more photos. */
export function Curve({ points, ahead }) {
  const all = [...points, ...ahead];
  const [least, most] = [points[0].per_class, all.at(-1).per_class];
  const floor = Math.floor(Math.min(...all.map(({ interval }) => interval[0])) * 5) / 5;
  const stretch = (n) => Math.log(n / least) / Math.log(most / least); // twice as many photos: the same step to the right
  const x = (n) => LEFT + (WIDTH - LEFT - RIGHT) * (most > least ? stretch(n) : 0.5);
  const y = (share) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - (share - floor) / (1 - floor));
  const place = (n, share) => `${x(n).toFixed(1)},${y(share).toFixed(1)}`;
  const line = (some) => some.map((point) => place(point.per_class, point.accuracy)).join(" ");
  const band = (some) =>
    [
      ...some.map((point) => place(point.per_class, point.interval[1])),
      ...[...some].reverse().map((point) => place(point.per_class, point.interval[0])),
    ].join(" ");
  const words = (some) => some.map(({ per_class: n, accuracy }) => t("curve.point", { n, share: percent(accuracy) })).join("; ");
  const later = ahead.length ? [points.at(-1), ...ahead] : [];
  return html`
    <figure class="curve">
      <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label=${[t("curve.name", { words: words(points) }), ahead.length && t("curve.ahead", { words: words(ahead) })].filter(Boolean).join("; ")}>
        ${[floor, (floor + 1) / 2, 1].map(
          (share) => html`
            <line class="rule" x1=${LEFT} x2=${WIDTH - RIGHT} y1=${y(share)} y2=${y(share)} />
            <text x=${LEFT - 6} y=${y(share) + 4} text-anchor="end">${percent(share)}</text>`,
        )}
        <polygon class="band" points=${band(points)} />
        <polygon class="band later" points=${band(later)} />
        <polyline class="line" points=${line(points)} />
        <polyline class="line later" points=${line(later)} />
        ${points.map((point) => html`<circle cx=${x(point.per_class)} cy=${y(point.accuracy)} r="3.5" />`)}
        ${shownTicks(all, x).map((n) => html`<text x=${x(n)} y=${HEIGHT - 6} text-anchor="middle">${n}</text>`)}
      </svg>
      <figcaption>${ahead.length ? t("curve.axis-ahead") : t("curve.axis")}</figcaption>
    </figure>`;
}

/** Those numbers of photos that have room under the line; always the last. */
function shownTicks(points, x) {
  const shown = [];
  for (const { per_class: n } of [...points].reverse()) if (!shown.length || x(shown.at(-1)) - x(n) > 30) shown.push(n);
  return shown;
}

/** A share and how sure it is, as a bar: the interval is the wide part, the share the line in it. */
export function Interval({ share, interval }) {
  const [low, high] = interval;
  return html`
    <span class="interval" aria-hidden="true">
      <span class="span" style=${{ left: `${low * 100}%`, width: `${(high - low) * 100}%` }} />
      <span class="mark" style=${{ left: `${share * 100}%` }} />
    </span>`;
}
