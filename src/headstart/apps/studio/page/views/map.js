// The map: photos that look alike to the backbone lie close together. Drawn on a canvas; one thumbnail for each spot.

import { useFetched } from "../fetched.js";
import { classNames, live } from "../live.js";
import { t } from "../text.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "../vendor/preact.js";
import { described, thumb } from "../parts/grid.js";
import { icon } from "../parts/icons.js";
import { look } from "../parts/viewer.js";

const SIDE = 44; // of a thumbnail, in CSS pixels
const EDGE = 30;
const MOST = 40; // times enlarged
const STRIDE = 99991; // a prime above the number of photos
const FEW = 60; // photos whose thumbnails may overlap
const pictures = new Map(); // id -> Image

function pictureOf(photo, draw) {
  const { id } = photo;
  if (!pictures.has(id)) {
    const image = new Image();
    image.onload = draw;
    image.src = thumb(photo);
    pictures.set(id, image);
  }
  const image = pictures.get(id);
  return image.complete && image.naturalWidth ? image : null;
}

/** Where a point of the map lies on a canvas of that size: `view` is what is in the middle, and how large. */
const screen = (view, { width, height }) => {
  const across = Math.max(1, width - 2 * EDGE) * view.zoom;
  const down = Math.max(1, height - 2 * EDGE) * view.zoom;
  return { x: (x) => (x - view.x) * across + width / 2, y: (y) => (y - view.y) * down + height / 2, across, down };
};

function paint(canvas, points, view, redraw) {
  const dots = devicePixelRatio;
  const { clientWidth: width, clientHeight: height } = canvas;
  canvas.width = width * dots;
  canvas.height = height * dots;
  const pen = canvas.getContext("2d");
  const style = getComputedStyle(canvas);
  const colours = classNames().map((_, i) => style.getPropertyValue(`--c${i % 10}`));
  const empty = style.getPropertyValue("--soft");
  const index = new Map(classNames().map((name, i) => [name, i]));
  const at = screen(view, { width, height });
  const apart = points.length > FEW ? SIDE + 8 : SIDE / 2; // thumbnails that would lie closer become dots
  const shown = [];
  pen.scale(dots, dots);
  for (const [i] of points.entries()) {
    const [id, px, py] = points[(i * STRIDE) % points.length]; // all classes have their turn
    const photo = live.photos.get(id);
    const [x, y] = [at.x(px), at.y(py)];
    if (!photo || x < -SIDE || y < -SIDE || x > width + SIDE || y > height + SIDE) continue;
    const colour = colours[index.get(photo.label)];
    if (shown.every((other) => Math.hypot(other.x - x, other.y - y) > apart)) shown.push({ photo, x, y, colour });
    else {
      pen.fillStyle = colour;
      pen.beginPath();
      pen.arc(x, y, 4, 0, 7);
      pen.fill();
    }
  }
  for (const { photo, x, y, colour } of shown) {
    const image = pictureOf(photo, redraw);
    pen.fillStyle = colour;
    pen.fillRect(x - SIDE / 2 - 3, y - SIDE / 2 - 3, SIDE + 6, SIDE + 6);
    if (!image) {
      pen.fillStyle = empty;
      pen.fillRect(x - SIDE / 2, y - SIDE / 2, SIDE, SIDE);
      continue;
    }
    const side = Math.min(image.naturalWidth, image.naturalHeight);
    const [cutX, cutY] = [(image.naturalWidth - side) / 2, (image.naturalHeight - side) / 2];
    pen.drawImage(image, cutX, cutY, side, side, x - SIDE / 2, y - SIDE / 2, SIDE, SIDE);
  }
}

const WHOLE = { x: 0.5, y: 0.5, zoom: 1 };

export function PhotoMap() {
  const { data, error } = useFetched("/api/map");
  if (!data) return html`<p class="nothing" role="status">${error ?? t("loading")}</p>`;
  if (!data.points.length) return html`<p class="nothing">${t("map.empty")}</p>`;
  return html`<${Canvas} points=${data.points} />`;
}

function Canvas({ points }) {
  const canvas = useRef();
  const [view, move] = useState(WHOLE);
  const [near, point] = useState(null);
  const held = useRef(new Map()); // pointers that are down
  const moved = useRef(0);
  const frame = useRef(0);
  const latest = useRef();
  latest.current = () => paint(canvas.current, points, view, redraw);
  const redraw = () => {
    cancelAnimationFrame(frame.current);
    frame.current = requestAnimationFrame(() => canvas.current && latest.current());
  };
  useLayoutEffect(redraw, [points, view, live.version]);
  useEffect(() => {
    const observer = new ResizeObserver(redraw);
    observer.observe(canvas.current);
    const wheel = (event) => {
      event.preventDefault();
      zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
    };
    canvas.current.addEventListener("wheel", wheel, { passive: false });
    return () => (observer.disconnect(), cancelAnimationFrame(frame.current));
  }, []);

  const size = () => ({ width: canvas.current.clientWidth, height: canvas.current.clientHeight });
  const zoom = (times, x = size().width / 2, y = size().height / 2) =>
    move((old) => {
      const next = Math.min(MOST, Math.max(1, old.zoom * times));
      const [before, after] = [screen(old, size()), screen({ ...old, zoom: next }, size())];
      const shift = (middle, place, way) => middle + place / before[way] - place / after[way];
      return { zoom: next, x: shift(old.x, x - size().width / 2, "across"), y: shift(old.y, y - size().height / 2, "down") };
    });
  const pan = (dx, dy) => move((old) => ({ ...old, x: old.x - dx / screen(old, size()).across, y: old.y - dy / screen(old, size()).down }));

  const nearest = ({ offsetX, offsetY }) => {
    const at = screen(view, size());
    let best = { id: null, far: SIDE * SIDE };
    for (const [id, x, y] of points) {
      const far = (at.x(x) - offsetX) ** 2 + (at.y(y) - offsetY) ** 2;
      if (far < best.far && live.photos.has(id)) best = { id, far };
    }
    return best.id;
  };
  const down = (event) => {
    canvas.current.setPointerCapture(event.pointerId);
    held.current.set(event.pointerId, event);
    moved.current = 0;
  };
  const drag = (event) => {
    const before = held.current.get(event.pointerId);
    if (!before) return point(nearest(event));
    const others = [...held.current.values()].filter(({ pointerId }) => pointerId !== event.pointerId);
    const [dx, dy] = [event.offsetX - before.offsetX, event.offsetY - before.offsetY];
    if (others.length) {
      const far = ({ offsetX, offsetY }) => Math.hypot(offsetX - others[0].offsetX, offsetY - others[0].offsetY);
      zoom(far(event) / Math.max(1, far(before)), others[0].offsetX, others[0].offsetY);
    } else pan(dx, dy);
    moved.current += Math.abs(dx) + Math.abs(dy);
    held.current.set(event.pointerId, event);
  };
  const up = (event) => {
    held.current.delete(event.pointerId);
    const id = moved.current < 6 && nearest(event);
    if (id) look([live.photos.get(id)], 0);
  };
  const keys = ({ key }) => {
    const pans = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
    if (key in pans) pan(...pans[key]);
    else if (key === "+" || key === "=") zoom(1.4);
    else if (key === "-") zoom(1 / 1.4);
    else if (key === "0") move(WHOLE);
    else return false;
    return true;
  };
  const photo = live.photos.get(near);
  return html`
    <div class="row bar">
      <p class="quiet">${t("map.lead")}</p>
      <div class="row">
        <button class="icon-only" aria-label=${t("map.in")} onClick=${() => zoom(1.6)}>${icon("add")}</button>
        <button class="icon-only" aria-label=${t("map.out")} onClick=${() => zoom(1 / 1.6)}>${icon("minus")}</button>
        <button onClick=${() => move(WHOLE)}>${t("map.whole")}</button>
      </div>
    </div>
    <div class="map">
      <canvas ref=${canvas} tabindex="0" role="img" aria-label=${t("map.name", { n: points.length })}
        onPointerDown=${down} onPointerMove=${drag} onPointerUp=${up} onPointerCancel=${(event) => held.current.delete(event.pointerId)}
        onPointerLeave=${() => point(null)} onKeyDown=${(event) => keys(event) && event.preventDefault()} />
      ${photo && html`<p class="near" aria-hidden="true">${described(photo)}</p>`}
    </div>
    <ul class="legend">${classNames().map((name, i) => html`<li key=${name} data-colour=${i % 10}>${name}</li>`)}</ul>`;
}
