// Requests to the server this page came from. Whatever goes wrong becomes a `Failure` with a sentence to show.

import { t } from "./text.js";

export class Failure extends Error {
  /** `lost`: the request did not arrive or the server broke down; the same request may succeed later. */
  constructor(message, lost = false) {
    super(message);
    this.lost = lost;
  }
}

async function request(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Failure(t("error.connection"), true);
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Failure(answer.error ?? t("error.status", { status: response.status }), response.status >= 500);
  return answer;
}

const OURS = { "X-Headstart": "1" };

export const get = (path) => request(path);

export const post = (path, body) =>
  request(path, { method: "POST", headers: { ...OURS, "Content-Type": "application/json" }, body: JSON.stringify(body ?? {}) });

export const postBytes = (path, blob) =>
  request(path, { method: "POST", headers: { ...OURS, "Content-Type": blob.type || "application/octet-stream" }, body: blob });

export function postFiles(path, files) {
  const form = new FormData();
  for (const { file, name } of files) form.append("file", file, name);
  return request(path, { method: "POST", headers: OURS, body: form });
}
