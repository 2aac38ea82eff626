// A window above the page. The browser keeps the focus inside, closes it with Esc and gives the focus back.

import { html, useLayoutEffect, useRef } from "../vendor/preact.js";
import { t } from "../text.js";
import { icon } from "./icons.js";

/**
 * Has to be alone in an element of its own: a window that is moved in the page is closed by the browser.
 *
 * close: called once it is closed, however that happens. keys: receives the keys that are pressed in it.
 */
export function Dialog({ title, close, keys, wide, children }) {
  const box = useRef();
  useLayoutEffect(() => {
    const before = document.activeElement;
    box.current.showModal();
    return () => before?.isConnected && before.focus();
  }, []);
  const outside = (event) => event.target === box.current && box.current.close();
  return html`
    <dialog ref=${box} class=${wide ? "wide" : ""} aria-label=${title} onClose=${close} onClick=${outside} onKeyDown=${keys}>
      <div class="inside">
        <header>
          <h2>${title}</h2>
          <button class="plain icon-only" aria-label=${t("close")} onClick=${() => box.current.close()}>${icon("close")}</button>
        </header>
        ${children}
      </div>
    </dialog>`;
}
