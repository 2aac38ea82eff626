// What the server knows, as this page knows it: one state, kept true by one stream of events.

import { get } from "./api.js";
import { alarm } from "./messages.js";
import { useEffect, useReducer } from "./vendor/preact.js";

export const live = { state: null, connected: false, photos: new Map(), jobs: new Map(), version: 0 };

const KEPT = ["classes", "training", "work", "undo", "redo", "backbone", "backbones", "folder", "lan", "unusable"];
const listeners = new Set();
let stream;
let waiting; // events that came while the state was on its way; null otherwise
let byClass; // label -> its photos, newest first; null when it has to be made anew

export function changed() {
  for (const listener of listeners) listener();
}

/** Draw the component anew whenever something changes. */
export function useLive() {
  const [, draw] = useReducer((n) => n + 1, 0);
  useEffect(() => {
    listeners.add(draw);
    return () => listeners.delete(draw);
  }, []);
  return live;
}

/** The photos of a class that can be looked at, newest first. */
export function photosOf(label) {
  if (!byClass) {
    byClass = new Map();
    for (const photo of live.photos.values()) {
      if (photo.state === "unusable") continue;
      if (!byClass.has(photo.label)) byClass.set(photo.label, []);
      byClass.get(photo.label).push(photo);
    }
    for (const photos of byClass.values()) photos.reverse();
  }
  return byClass.get(label) ?? [];
}

/** The photos as `photosOf` gives them, of all classes. */
export const allPhotos = () => live.state.classes.flatMap(({ name }) => photosOf(name));

/** The class names that there are. */
export const classNames = () => live.state.classes.map(({ name }) => name);

export const trained = () => live.state.training?.accuracy != null;

/** Fetch the whole state. Events that come meanwhile are applied to it. */
export async function refresh() {
  if (waiting) return;
  waiting = [];
  try {
    const state = await get("/api/state");
    live.state = state;
    live.jobs = new Map(state.jobs.map((job) => [job.id, job]));
    live.photos = new Map(state.photos.map((photo) => [photo.id, photo]));
    live.connected = true;
    touch();
  } catch {
    lose(); // the stream fails as well, and brings us back here
  }
  const late = waiting;
  waiting = null;
  if (live.connected) late.forEach(take);
  changed();
}

function touch() {
  byClass = null;
  live.version += 1;
}

/** Apply one event. */
function take(event) {
  if (waiting) return void waiting.push(event);
  const { state } = live;
  if (!state || event.session !== state.session || event.revision > state.revision + 1) return void refresh();
  if (event.type === "hello" && event.revision === state.revision) live.connected = true;
  if (event.type === "trouble") alarm(event.message);
  if (event.type === "job") live.jobs.set(event.job.id, event.job);
  if (event.revision > state.revision || event.type === "work") {
    for (const key of KEPT) if (key in event) state[key] = event[key];
    for (const photo of event.changed ?? []) live.photos.set(photo.id, photo);
    for (const id of event.gone ?? []) live.photos.delete(id);
    if (event.type !== "work" && event.type !== "job") touch();
    state.revision = event.revision;
  }
  changed();
}

let pause = 500; // milliseconds until the next try
let next;

/** Follow the server's events; when it goes away, look for it until it is back. */
export function connect() {
  stream = new EventSource("/api/events");
  stream.onopen = () => (pause = 500);
  stream.onmessage = ({ data }) => take(JSON.parse(data));
  stream.onerror = lose;
}

function lose() {
  stream.close();
  live.connected = false;
  clearTimeout(next);
  next = setTimeout(connect, pause);
  pause = Math.min(pause * 2, 4000);
  changed();
}
