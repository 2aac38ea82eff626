// Try: what the classifier says to the camera's picture, or to a photo it has never seen.

import { postBytes } from "../api.js";
import { chosen as files } from "../files.js";
import { classNames, live, trained } from "../live.js";
import { attempt, tell } from "../messages.js";
import { percent, t } from "../text.js";
import { send } from "../uploads.js";
import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { picture, Screen, useCamera } from "../parts/camera.js";
import { useDrop } from "../parts/class.js";
import { thumb } from "../parts/grid.js";
import { icon } from "../parts/icons.js";
import { PickClass } from "../parts/pick.js";
import { look } from "../parts/viewer.js";

const SIDE = 512; // of a camera picture, in pixels
const REST = 20; // milliseconds between two camera pictures
const SHOWN = 12; // classes with a bar

export function Try() {
  const [on, turn] = useState(false);
  const [facing, face] = useState("environment");
  const [photo, hold] = useState(null); // {file, url}
  const [answer, receive] = useState(null);
  const picker = useRef();
  const ready = trained();

  const ask = async ([first]) => {
    if (!first) return;
    turn(false);
    hold((old) => (old && URL.revokeObjectURL(old.url), { ...first, url: URL.createObjectURL(first.file) }));
    receive(null);
    receive((await attempt(() => postBytes("/api/predict", first.file))) ?? null);
  };
  const [over, drop] = useDrop({ photos: ask });
  if (!ready)
    return html`<p class="nothing">${live.state.training?.state === "running" ? t("progress.first") : t("try.untrained")} <a href="#make">${t("go.make")}</a></p>`;
  const start = () => {
    hold(null);
    receive(null);
    turn(!on);
  };
  return html`
    <div class="try" ...${drop}>
      <div>
        ${on
          ? html`<${Live} key=${facing} facing=${facing} receive=${receive} />`
          : html`<button class=${over ? "frame over" : "frame"} onClick=${() => picker.current.click()}>
              ${photo ? html`<img src=${photo.url} alt=${photo.name} />` : html`<span>${icon("photos")}<strong>${t("try.drop")}</strong><span class="quiet">${t("try.new")}</span></span>`}
            </button>`}
        <div class="row">
          <button class=${on ? "" : "main"} onClick=${start}>${icon(on ? "stop" : "camera")} ${on ? t("try.stop") : t("try.webcam")}</button>
          <button onClick=${() => picker.current.click()}>${icon("photos")} ${t("try.choose")}</button>
          ${on && html`<button onClick=${() => face(facing === "user" ? "environment" : "user")}>${t("try.turn")}</button>`}
        </div>
        <input ref=${picker} type="file" hidden accept="image/*,.heic,.heif" onChange=${(event) => ask(files(event.target))} />
      </div>
      <div class="answer">
        ${answer ? html`<${Answer} answer=${answer} live=${on} />` : html`<p class="quiet">${photo || on ? t("loading") : t("try.waiting")}</p>`}
        ${answer && photo && html`<${Teach} key=${photo.url} photo=${photo} />`}
      </div>
    </div>`;
}

function Live({ facing, receive }) {
  const [video, trouble] = useCamera(facing);
  useEffect(() => {
    if (trouble !== "") return undefined;
    let going = true;
    const rest = () => new Promise((resolve) => setTimeout(resolve, document.hidden ? 1000 : REST));
    const run = async () => {
      while (going) {
        const blob = document.hidden || !video.current.videoWidth ? null : await picture(video.current, SIDE);
        const answer = blob && (await postBytes("/api/predict", blob).catch(() => null)); // the next picture may succeed
        if (answer && going) receive(answer);
        await rest();
      }
    };
    run();
    return () => (going = false);
  }, [trouble]);
  return html`<${Screen} video=${video} trouble=${trouble} />`;
}

/** What screen readers hear: of a live answer, only a change that lasts. */
function useSpoken(text, lasting) {
  const [spoken, speak] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => speak(text), lasting ? 1200 : 0);
    return () => clearTimeout(timer);
  }, [text]);
  return spoken;
}

function Answer({ answer, live: moving }) {
  const { label, unknown, why, scores, nearest } = answer;
  const best = scores.find((score) => score.label === label);
  const spoken = useSpoken(unknown ? t("try.unknown") : label, moving);
  const order = new Map(classNames().map((name, i) => [name, i]));
  const most = new Set([...scores].sort((a, b) => b.score - a.score).slice(0, SHOWN));
  const bars = scores.filter((score) => most.has(score)).sort((a, b) => order.get(a.label) - order.get(b.label));
  const shown = nearest.filter(({ id }) => live.photos.has(id));
  return html`
    <h3 class=${unknown ? "verdict unsure" : "verdict"}>${unknown ? t("try.unknown") : label}</h3>
    <p class="quiet">${unknown ? why || t("try.unknown-why") : t("try.sure", { sure: percent(best?.score ?? 0) })}</p>
    <p class="unseen" role="status">${spoken}</p>
    <ul class="bars">
      ${bars.map(
        ({ label: name, score }) => html`
          <li key=${name} data-colour=${(order.get(name) ?? 0) % 10} class=${name === label && !unknown ? "best" : ""}>
            <span class="text">${name}</span><span class="share">${percent(score)}</span>
            <span class="track" aria-hidden="true"><span style=${{ transform: `scaleX(${score})` }} /></span>
          </li>`,
      )}
    </ul>
    ${shown.length > 0 &&
    html`<h4>${t("try.nearest")}</h4>
      <ul class="nearest">
        ${shown.map(
          ({ id, label: name }) => html`
            <li key=${id}><button class="plain thumb" onClick=${() => look([live.photos.get(id)], 0)} aria-label=${t("check.look", { name: live.photos.get(id).name, label: name })}>
              <img src=${thumb(live.photos.get(id))} alt="" /></button><span class="caption">${name}</span></li>`,
        )}
      </ul>`}`;
}

function Teach({ photo }) {
  const [done, finish] = useState(false);
  const pick = (label) => {
    send(label, [{ file: photo.file, name: photo.name.split("/").pop() }]);
    tell(t("try.taught", { label }));
    finish(true);
  };
  if (done) return null;
  return html`<div class="teach"><${PickClass} id="teach" label=${t("try.teach")} names=${classNames()} button=${t("try.add")} pick=${pick} /></div>`;
}
