// Make: the classes and their photos, and how good the classifier is by now.

import { isArchive, chosen as files } from "../files.js";
import { classNames, live, trained } from "../live.js";
import { move, step } from "../selection.js";
import { t } from "../text.js";
import { send } from "../uploads.js";
import { html, useRef, useState } from "../vendor/preact.js";
import { Class, PHOTOS, useDrop } from "../parts/class.js";
import { EditClass, Phone } from "../parts/edit.js";
import { Progress } from "../parts/progress.js";
import { icon } from "../parts/icons.js";
import { Webcam } from "../parts/webcam.js";

/** The first of "Class 1", "Class 2" ... that is free. */
function freeName() {
  for (let n = 1; ; n++) if (!classNames().includes(t("class.number", { number: n }))) return t("class.number", { number: n });
}

/** Folders and archives bring their classes along; loose photos become a class of their own. */
export function addAnywhere(list) {
  const named = list.filter((file) => file.name.includes("/") || isArchive(file));
  const single = list.filter((file) => !named.includes(file));
  send(null, named);
  if (single.length) send(freeName(), single);
}

export function Make() {
  const [open, show] = useState(null); // {window, name}
  const { classes, training } = live.state;
  const close = () => show(null);
  const recalls = new Map((trained() ? training.classes : []).map((one) => [one.label, one]));
  const Window = { edit: EditClass, webcam: Webcam, phone: Phone }[open?.window];
  return html`
    <div class="make">
      <div class="classes">
        ${classes.length === 0 && html`<${Welcome} />`}
        ${classes.map(
          (of, i) => html`
            <${Class} key=${of.name} of=${of} colour=${i % 10} recall=${recalls.get(of.name)}
              edit=${(name) => show({ window: "edit", name })}
              webcam=${(name) => show({ window: "webcam", name })}
              phone=${(name) => show({ window: "phone", name })} />`,
        )}
        <${NewClass} first=${classes.length === 0} second=${classes.length === 1} />
      </div>
      ${classes.length > 0 && html`<${Progress} />`}
    </div>
    <div>${Window && html`<${Window} name=${open.name} label=${open.name} close=${close} />`}</div>`;
}

function Welcome() {
  return html`
    <section class="welcome">
      <h3>${t("welcome.title")}</h3>
      <ol>
        <li>${t("welcome.name")}</li>
        <li>${t("welcome.add")}</li>
        <li>${t("welcome.try")}</li>
      </ol>
      <p class="quiet">${t("welcome.private")}</p>
    </section>`;
}

function NewClass({ first, second }) {
  const field = useRef();
  const picker = useRef();
  const folder = useRef();
  const ids = async (list) => {
    const name = freeName();
    if (await step({ action: "add_class", name })) move(list, name);
  };
  const [over, drop] = useDrop({ photos: addAnywhere, ids });
  const add = async (event) => {
    event.preventDefault();
    const name = field.current.value.trim() || freeName();
    if (await step({ action: "add_class", name }, t("class.added", { name }))) field.current.value = "";
    field.current?.focus();
  };
  return html`
    <section class=${over ? "class new over" : "class new"} aria-label=${t("new.title")} ...${drop}>
      <h3>${first ? t("new.first") : second ? t("new.second") : t("new.title")}</h3>
      <form class="pick" onSubmit=${add}>
        <label for="class-name">${t("class.name")}</label>
        <input id="class-name" ref=${field} maxlength="100" autocomplete="off" spellcheck=${false}
          placeholder=${first ? t("new.example") : second ? t("new.example-2") : ""} />
        <button class="main">${t("new.add")}</button>
      </form>
      <p class="quiet">${t("new.or")}</p>
      <footer>
        <button onClick=${() => folder.current.click()}>${icon("folder")} ${t("new.folder")}</button>
        <button onClick=${() => picker.current.click()}>${icon("photos")} ${t("new.files")}</button>
      </footer>
      <input ref=${folder} type="file" hidden webkitdirectory onChange=${(event) => addAnywhere(files(event.target))} />
      <input ref=${picker} type="file" hidden multiple accept=${PHOTOS} onChange=${(event) => addAnywhere(files(event.target))} />
      <p class="let-go" aria-hidden="true">${t("new.let-go")}</p>
    </section>`;
}
