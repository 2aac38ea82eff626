// The windows of a class: its name, merging, taking it out; and the QR code for a phone.

import { post } from "../api.js";
import { classNames, photosOf } from "../live.js";
import { step } from "../selection.js";
import { t } from "../text.js";
import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { Dialog } from "./dialog.js";
import { icon } from "./icons.js";
import { PickClass } from "./pick.js";

const SVG = '<svg xmlns="http://www.w3.org/2000/svg" '; // a picture, unlike a part of a page, has to name its language

export function EditClass({ name, close }) {
  const field = useRef();
  useEffect(() => {
    field.current.value = name;
    field.current.select();
  }, []);
  const others = classNames().filter((other) => other !== name);
  const n = photosOf(name).length;
  const run = async (action, sentence) => (await step({ ...action, name }, sentence)) && close();
  const rename = (event) => {
    event.preventDefault();
    const to = field.current.value.trim();
    if (to === name || !to) return close();
    run({ action: "rename_class", to }, t("class.renamed", { name, to }));
  };
  return html`
    <${Dialog} title=${t("class.edit-title", { name })} close=${close}>
      <form class="pick" onSubmit=${rename}>
        <label for="new-name">${t("class.name")}</label>
        <input id="new-name" ref=${field} maxlength="100" autocomplete="off" spellcheck=${false} />
        <button class="main">${t("class.save")}</button>
      </form>
      ${others.length > 0 &&
      html`<${PickClass} id="merge-into" label=${t("class.merge-into")} names=${others} button=${t("class.merge")}
        pick=${(to) => run({ action: "merge_class", to }, t("class.merged", { name, to }))} />`}
      <div class="row end">
        <button onClick=${() => run({ action: "remove_class" }, t("class.removed", { name }))}>
          ${icon("trash")} ${n ? t("class.remove", { n }) : t("class.remove-empty")}
        </button>
      </div>
    <//>`;
}

export function Phone({ label, close }) {
  const [{ url, qr, error }, receive] = useState({});
  useEffect(() => {
    post("/api/phone", { label }).then(receive, ({ message }) => receive({ error: message }));
  }, []);
  return html`
    <${Dialog} title=${t("phone.title", { label })} close=${close}>
      ${error && html`<p role="alert">${error}</p>`}
      ${!url && !error && html`<p role="status">${t("loading")}</p>`}
      ${url &&
      html`<p>${t("phone.how")}</p>
        <img class="qr" src="data:image/svg+xml;base64,${btoa(qr.replace("<svg ", SVG))}" alt=${t("phone.code")} />
        <p class="quiet">${t("phone.address")} <a href=${url}>${url}</a></p>`}
    <//>`;
}
