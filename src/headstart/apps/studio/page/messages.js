// Short messages at the edge of the page. Screen readers read them out.

import { html, useEffect, useReducer } from "./vendor/preact.js";
import { icon } from "./parts/icons.js";
import { t } from "./text.js";

const SHOWN = 8000; // milliseconds
let shown = [];
let draw = () => {};
let next = 0;

function show(message) {
  const id = next++;
  shown = [...shown.slice(-2), { id, ...message }];
  draw();
  if (!message.alarm) setTimeout(() => hide(id), SHOWN);
}

function hide(id) {
  shown = shown.filter((message) => message.id !== id);
  draw();
}

/** Show a sentence for a while, with at most one thing to do: `{label, run}`. */
export const tell = (text, action) => show({ text, action });

/** Show what went wrong until it is closed. */
export const alarm = (text) => show({ text, alarm: true });

/** Run what may fail; show how it failed. Gives undefined then. */
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    alarm(error.message);
    return undefined;
  }
}

/** children: what is shown with the messages. */
export function Messages({ children }) {
  const [, again] = useReducer((n) => n + 1, 0);
  useEffect(() => {
    draw = again;
  }, []);
  const one = ({ id, text, action, alarm: bad }) => html`
    <div key=${id} class=${bad ? "message bad" : "message"}>
      <p>${text}</p>
      ${action && html`<button class="plain" onClick=${() => (hide(id), action.run())}>${action.label}</button>`}
      <button class="plain icon-only" aria-label=${t("close")} onClick=${() => hide(id)}>${icon("close")}</button>
    </div>`;
  return html`
    <div class="messages">
      ${children}
      <div role="status">${shown.filter((message) => !message.alarm).map(one)}</div>
      <div role="alert">${shown.filter((message) => message.alarm).map(one)}</div>
    </div>`;
}
