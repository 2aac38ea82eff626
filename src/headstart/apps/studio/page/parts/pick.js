// A list of classes and a button beside it.

import { html, useRef } from "../vendor/preact.js";

/** pick: called with the class that was chosen. */
export function PickClass({ id, label, names, button, pick }) {
  const list = useRef();
  const submit = (event) => {
    event.preventDefault();
    pick(list.current.value);
  };
  return html`
    <form class="pick" onSubmit=${submit}>
      <label for=${id}>${label}</label>
      <select id=${id} ref=${list}>${names.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}</select>
      <button>${button}</button>
    </form>`;
}
