// Photos on their way to the server, a few at a time. What does not arrive is kept and offered again.

import { Failure, postFiles } from "./api.js";
import { changed } from "./live.js";
import { tell } from "./messages.js";
import { t } from "./text.js";

const MOST_FILES = 100;
const MOST_BYTES = 64e6; // of one request; a larger file goes alone

const THERE = "already in this class"; // the server's reason

export const uploads = { waiting: [], lost: [], refused: [], sent: 0, sending: false };

/** Send `files`, `[{file, name}]`, to a class; with `label` null the folder in each name is the class. */
export function send(label, files, path = "/api/photos") {
  if (!files.length) return;
  uploads.waiting.push(...files.map((file) => ({ ...file, label, path })));
  work();
}

export function sendAgain() {
  uploads.waiting.push(...uploads.lost.splice(0));
  work();
}

export function forget() {
  uploads.lost = [];
  changed();
}

/** The next files that may share a request. */
function batch() {
  const [first] = uploads.waiting;
  let bytes = 0;
  let n = 0;
  for (const { label, path, file } of uploads.waiting) {
    bytes += file.size;
    if (label !== first.label || path !== first.path || n === MOST_FILES || (n && bytes > MOST_BYTES)) break;
    n += 1;
  }
  return uploads.waiting.splice(0, n);
}

async function work() {
  if (uploads.sending) return;
  uploads.sending = true;
  uploads.sent = 0;
  let [refused, known] = [0, 0];
  while (uploads.waiting.length) {
    changed();
    const files = batch();
    const { label, path } = files[0];
    try {
      const answer = await postFiles(label === null ? path : `${path}?label=${encodeURIComponent(label)}`, files);
      const unwelcome = answer.refused.filter(({ reason }) => reason !== THERE);
      known += answer.refused.length - unwelcome.length;
      uploads.refused.push(...unwelcome);
      refused += unwelcome.length;
      uploads.sent += files.length;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (error.lost) uploads.lost.push(...files, ...uploads.waiting.splice(0));
      else {
        uploads.refused.push(...files.map(({ name }) => ({ name, reason: error.message })));
        refused += files.length;
      }
    }
  }
  uploads.sending = false;
  if (known) tell(t("uploads.known", { n: known }));
  if (refused) tell(t("uploads.refused", { n: refused }), { label: t("uploads.why"), run: () => (location.hash = "#look/unusable") });
  changed();
}

addEventListener("beforeunload", (event) => {
  if (uploads.sending || uploads.lost.length) event.preventDefault();
});
