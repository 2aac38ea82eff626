// The page: its head, the view that the address names (`#make`, `#look/map` ...), and what lies above all views.

import { carriesFiles, dropped } from "./files.js";
import { classNames, connect, live, refresh, trained, useLive } from "./live.js";
import { attempt, Messages } from "./messages.js";
import { chooseNone, chosen, goBack, move, redo, takeOut, undo } from "./selection.js";
import { percent, t } from "./text.js";
import { forget, sendAgain, uploads } from "./uploads.js";
import { html, render, useEffect, useLayoutEffect, useRef, useState } from "./vendor/preact.js";
import { Dialog } from "./parts/dialog.js";
import { icon } from "./parts/icons.js";
import { PickClass } from "./parts/pick.js";
import { Viewer } from "./parts/viewer.js";
import { Compare } from "./views/compare.js";
import { Look } from "./views/look.js";
import { addAnywhere, Make } from "./views/make.js";
import { Share } from "./views/share.js";
import { Try } from "./views/try.js";

const VIEWS = { make: Make, look: Look, try: Try, compare: Compare, share: Share };

const place = () => {
  const [view, part] = location.hash.slice(1).split("/");
  return view in VIEWS ? { view, part } : { view: "make" };
};

function usePlace(title) {
  const [at, go] = useState(place());
  const shown = useRef(at.view);
  useEffect(() => {
    const follow = () => {
      if (location.hash === "#content") return; // the link that skips the head
      const next = place();
      chooseNone();
      if (next.view !== shown.current) title.current?.focus({ preventScroll: true });
      shown.current = next.view;
      go(next);
    };
    addEventListener("hashchange", follow);
    if (place().view !== shown.current) follow(); // a link was clicked before anything listened
    return () => removeEventListener("hashchange", follow);
  }, []);
  return at;
}

function Page() {
  const { state } = useLive();
  const title = useRef();
  const [keysShown, showKeys] = useState(false);
  const { view, part } = usePlace(title);
  useEffect(() => {
    document.title = state ? t("title.of", { view: t(`view.${view}`), folder: state.folder }) : t("title");
  }, [view, state?.folder]);
  const View = VIEWS[view];
  return html`
    <a class="skip" href="#content" onClick=${(event) => (event.preventDefault(), title.current?.focus())}>${t("skip")}</a>
    <header class="head">
      <p class="brand"><strong>${t("title")}</strong>${state && html`<span class="folder">${state.folder}</span>`}</p>
      <nav class="views" aria-label=${t("views")}>
        ${Object.keys(VIEWS).map((name) => html`<a key=${name} href="#${name}" aria-current=${name === view ? "page" : undefined}>${t(`view.${name}`)}</a>`)}
      </nav>
      ${state && html`<${Tools} state=${state} keys=${() => showKeys(true)} />`}
    </header>
    <${Notices} state=${state} />
    <main id="content">
      <h2 ref=${title} tabindex="-1" class=${view === "make" ? "unseen" : ""}>${t(`view.${view}`)}</h2>
      ${state ? html`<${View} part=${part} />` : html`<p class="nothing" role="status">${t("loading")}</p>`}
    </main>
    <div>${state && html`<${Chosen} />`}</div>
    <div>${state && html`<${Viewer} />`}</div>
    <div>${keysShown && html`<${Keys} close=${() => showKeys(false)} />`}</div>
    <${Messages}>${state && html`<${Going} work=${state.work} />`}<//>`;
}

function Tools({ state, keys }) {
  const { training } = state;
  return html`
    <div class="tools">
      ${trained() && html`<a class="chip" href="#make" title=${t("chip.hint")}>${t("chip", { share: percent(training.accuracy) })}</a>`}
      <button class="icon-only" disabled=${!state.undo} aria-label=${state.undo ? t("undo.what", { what: state.undo }) : t("undo")}
        title=${state.undo ? t("undo.what", { what: state.undo }) : t("undo")} onClick=${undo}>${icon("undo")}</button>
      <button class="icon-only" disabled=${!state.redo} aria-label=${state.redo ? t("redo.what", { what: state.redo }) : t("redo")}
        title=${state.redo ? t("redo.what", { what: state.redo }) : t("redo")} onClick=${redo}>${icon("redo")}</button>
      <button class="icon-only keys" aria-label=${t("keys")} title=${t("keys")} onClick=${keys}>${icon("keys")}</button>
    </div>`;
}

/** What is going on. */
function Going({ work }) {
  const { sending, sent, waiting } = uploads;
  if (sending) return html`<p class="going">${t("uploads.sending")} <progress max=${sent + waiting.length || 1} value=${sent} aria-label=${t("uploads.sending")} /></p>`;
  if (!live.connected || !work) return null;
  return html`<p class="going">${t("work", work)} <progress max=${work.total || 1} value=${work.done} aria-label=${work.what} /></p>`;
}

/** What needs attention, under the head. */
function Notices({ state }) {
  const { lost } = uploads;
  return html`
    <div class="notices">
      <div role="status">
        ${state && !live.connected && html`<p class="notice">${t("away")}</p>`}
      </div>
      <div role="alert">
        ${lost.length > 0 &&
        html`<div class="notice lost"><p>${t("uploads.lost", { n: lost.length })}</p>
          <div class="row"><button class="main" onClick=${sendAgain}>${t("uploads.again")}</button>
          <button onClick=${forget}>${t("uploads.forget")}</button></div></div>`}
      </div>
    </div>`;
}

/** What can be done with the photos that are chosen. */
const Chosen = () => chosen().length > 0 && html`<${Deeds} ids=${chosen()} />`;

/** The classes that not all of the photos are in already. */
const elsewhere = (ids) => classNames().filter((name) => ids.some((id) => live.photos.get(id).label !== name));

function Deeds({ ids }) {
  const bar = useRef();
  useLayoutEffect(() => () => bar.current.contains(document.activeElement) && setTimeout(goBack), []);
  return html`
    <section class="chosen" ref=${bar} aria-label=${t("chosen.title")}>
      <p role="status"><strong>${t("chosen", { n: ids.length })}</strong></p>
      <${PickClass} id="move-to" label=${t("move-to")} names=${elsewhere(ids)} button=${t("move")} pick=${(to) => move(ids, to)} />
      <button onClick=${() => takeOut(ids)}>${icon("trash")} ${t("take-out")}</button>
      <button class="plain" onClick=${chooseNone}>${t("chosen.none")}</button>
    </section>`;
}

function Keys({ close }) {
  const keys = ["arrows", "space", "enter", "all", "delete", "move", "escape", "undo", "redo"];
  return html`
    <${Dialog} title=${t("keys")} close=${close}>
      <dl class="keys-list">${keys.map((key) => html`<div key=${key}><dt><kbd>${t(`key.${key}`)}</kbd></dt><dd>${t(`key.${key}.does`)}</dd></div>`)}</dl>
    <//>`;
}

addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.altKey || event.target.matches("input, textarea, select") || !live.state) return;
  const key = event.key.toLowerCase();
  if (key === "z" && !event.shiftKey) undo();
  else if (key === "y" || key === "z") redo();
  else return;
  event.preventDefault();
});

// A drop beside every target is a drop on "new class", on the page where classes are made.
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  if (live.state && place().view === "make" && carriesFiles(event.dataTransfer)) attempt(async () => addAnywhere(await dropped(event.dataTransfer)));
});

document.documentElement.lang = t("language");
render(html`<${Page} />`, document.body);
connect();
refresh();
