// The page on a phone: take photos, choose their class, send them.

import { get } from "./api.js";
import { chosen as files, loose } from "./files.js";
import { useLive } from "./live.js";
import { t } from "./text.js";
import { forget, send, sendAgain, uploads } from "./uploads.js";
import { html, render, useEffect, useRef, useState } from "./vendor/preact.js";
import { icon } from "./parts/icons.js";

const HERE = location.pathname.replace(/\/$/, "");

function Phone() {
  useLive();
  const [{ folder, classes, label, error }, receive] = useState({});
  const pick = useRef();
  const camera = useRef();
  const picker = useRef();
  useEffect(() => {
    get(`${HERE}/state`).then(receive, ({ message }) => receive({ error: message }));
  }, []);
  const add = (event) => send(pick.current.value, loose(files(event.target)), `${HERE}/photos`);
  const { sending, waiting, lost, sent, refused } = uploads;
  return html`
    <main class="phone">
      <p class="brand"><strong>${t("title")}</strong>${folder && html`<span class="folder">${folder}</span>`}</p>
      <h1>${t("phone.heading")}</h1>
      ${error && html`<p role="alert">${error}</p>`}
      ${!classes && !error && html`<p role="status">${t("loading")}</p>`}
      ${classes?.length === 0 && html`<p>${t("phone.no-class")}</p>`}
      ${classes?.length > 0 &&
      html`<label for="class">${t("phone.class")}</label>
        <select id="class" ref=${pick}>${classes.map((name) => html`<option key=${name} value=${name} selected=${name === label}>${name}</option>`)}</select>
        <button class="main" onClick=${() => camera.current.click()}>${icon("camera")} ${t("phone.take")}</button>
        <button onClick=${() => picker.current.click()}>${icon("photos")} ${t("phone.choose")}</button>
        <input ref=${camera} type="file" hidden accept="image/*" capture="environment" onChange=${add} />
        <input ref=${picker} type="file" hidden multiple accept="image/*" onChange=${add} />`}
      <p role="status">${sending ? html`${t("uploads.sending")} <progress max=${sent + waiting.length || 1} value=${sent} aria-label=${t("uploads.sending")} />` : sent > 0 && t("phone.sent", { n: sent })}</p>
      ${lost.length > 0 &&
      html`<div role="alert"><p>${t("uploads.lost", { n: lost.length })}</p>
        <button class="main" onClick=${sendAgain}>${t("uploads.again")}</button> <button onClick=${forget}>${t("uploads.forget")}</button></div>`}
      ${refused.length > 0 && html`<ul class="files">${refused.map(({ name, reason }) => html`<li><strong>${name}</strong> <span>${reason}</span></li>`)}</ul>`}
    </main>`;
}

document.documentElement.lang = t("language");
render(html`<${Phone} />`, document.body);
