// Drawings beside words. They are hidden from screen readers: the words say it all.

import { html } from "../vendor/preact.js";

const PATHS = {
  add: "M12 5v14M5 12h14",
  camera: "M4 8h3l2-3h6l2 3h3v11H4zM12 17a4 4 0 1 0 0-8 4 4 0 0 0 0 8z",
  check: "M5 12.5l4.5 4.5L19 7.5",
  close: "M6 6l12 12M18 6L6 18",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  folder: "M3 6h6l2 2.5h10V19H3z",
  down: "M12 4v12M6.5 11.5L12 17l5.5-5.5M5 20.5h14",
  keys: "M3 7h18v10H3zM7 14h10M7 10.5h.01M11 10.5h.01M15 10.5h.01",
  minus: "M5 12h14",
  next: "M9 5l7 7-7 7",
  pencil: "M4 20l1-4L16 5l3 3L8 19z",
  phone: "M7 3h10v18H7zM11 18h2",
  photos: "M4 5h16v14H4zM4 16l5-5 4 4 2.5-2.5L20 17M15.5 9.5h.01",
  previous: "M15 5l-7 7 7 7",
  redo: "M15 5l5 5-5 5M20 10H9a5 5 0 0 0 0 10h4",
  stop: "M7 7h10v10H7z",
  trash: "M5 7h14M10 7V4.5h4V7M7 7l1 13h8l1-13",
  undo: "M9 5L4 10l5 5M4 10h11a5 5 0 0 1 0 10h-4",
};

export const icon = (name) =>
  html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d=${PATHS[name]} /></svg>`;
