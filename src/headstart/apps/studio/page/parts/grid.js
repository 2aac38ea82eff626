// Photos in rows, as many as there are: only those in sight are in the page. One stop for the Tab key; arrows move inside.

import { choose, chooseAll, chooseNone, chosen, isChosen, leaveFrom, takeOut } from "../selection.js";
import { t } from "../text.js";
import { html, useLayoutEffect, useRef, useState } from "../vendor/preact.js";
import { look } from "./viewer.js";

const GAP = 6;
const LINE = 20; // pixels, as in the style sheet
const SPARE = 2; // rows kept above and below those in sight
export const DRAGGED = "application/x-headstart-photos";

export const thumb = ({ id, v }) => `/thumb/${encodeURIComponent(id)}?v=${encodeURIComponent(v)}`;

/** How many columns fit, and which part is in sight. */
function useSight(box, size) {
  const [sight, see] = useState({ width: 0, height: 0, top: 0 });
  useLayoutEffect(() => {
    const measure = () => {
      const { clientWidth, clientHeight, scrollTop } = box.current;
      see((old) => {
        const same = old.width === clientWidth && old.height === clientHeight && old.top === scrollTop;
        return same ? old : { width: clientWidth, height: clientHeight, top: scrollTop };
      });
    };
    const observer = new ResizeObserver(measure);
    observer.observe(box.current);
    box.current.addEventListener("scroll", measure, { passive: true });
    return () => observer.disconnect();
  }, []);
  const columns = Math.max(1, Math.floor((sight.width + GAP) / (size + GAP)));
  return { ...sight, columns, cell: (sight.width + GAP) / columns - GAP };
}

/**
 * photos: what to show, in this order. name: of the list, for screen readers. size: least width of a photo, in pixels.
 * caption: of a photo, as a list of `lines` texts, shown under it.
 */
export function Grid({ photos, name, size = 72, caption, lines = 0 }) {
  const box = useRef();
  const hold = useRef(false); // whether the focus has to follow the active photo
  const [active, activate] = useState(0);
  const { width, height, top, columns, cell } = useSight(box, size);
  const line = lines * LINE;
  const step = cell + line + GAP;
  const rows = Math.ceil(photos.length / columns);
  const at = Math.min(active, photos.length - 1);

  // Elements that are drawn anew, or whose photo has gone, lose the focus.
  const focused = box.current?.contains(document.activeElement);
  useLayoutEffect(() => {
    if (!hold.current && !(focused && !box.current.contains(document.activeElement))) return;
    hold.current = false;
    box.current.querySelector('[tabindex="0"]')?.focus({ preventScroll: true });
  });

  const go = (to, event) => {
    const aim = Math.max(0, Math.min(photos.length - 1, to));
    if (event.shiftKey) for (let i = Math.min(at, aim); i <= Math.max(at, aim); i++) choose(photos[i].id, true);
    const row = Math.floor(aim / columns);
    const { scrollTop, clientHeight } = box.current;
    if (row * step < scrollTop) box.current.scrollTop = row * step;
    else if ((row + 1) * step > scrollTop + clientHeight) box.current.scrollTop = (row + 1) * step - clientHeight;
    hold.current = true;
    activate(aim);
  };

  const keys = (event) => {
    const page = Math.max(1, Math.floor(height / step)) * columns;
    const moves = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, PageDown: page, PageUp: -page };
    const photo = photos[at];
    if (event.key in moves) go(at + moves[event.key], event);
    else if (event.key === "Home") go(0, event);
    else if (event.key === "End") go(photos.length - 1, event);
    else if (event.key === " ") choose(photo.id);
    else if (event.key === "Enter") look(photos, at);
    else if (event.key === "Escape") chooseNone();
    else if (event.key === "a" && (event.ctrlKey || event.metaKey)) chooseAll(photos);
    else if (event.key === "Delete" || event.key === "Backspace") {
      hold.current = true;
      takeOut(isChosen(photo.id) ? chosen() : [photo.id]);
    } else if (event.key === "m") {
      if (!chosen().length) choose(photo.id, true);
      setTimeout(() => document.querySelector("#move-to")?.focus());
    } else return;
    event.preventDefault();
  };

  const press = (event, index) => {
    activate(index);
    if (!event.shiftKey) return choose(photos[index].id);
    for (let i = Math.min(at, index); i <= Math.max(at, index); i++) choose(photos[i].id, true);
  };

  const drag = (event, photo) => {
    const moving = isChosen(photo.id) ? chosen() : [photo.id];
    event.dataTransfer.setData(DRAGGED, JSON.stringify(moving));
    event.dataTransfer.effectAllowed = "move";
  };

  const first = Math.max(0, Math.floor(top / step) - SPARE) * columns;
  const last = Math.min(photos.length, (Math.ceil((top + height) / step) + SPARE) * columns);
  const seen = [];
  if (width) for (let i = first; i < last; i++) seen.push(i);
  if (width && photos.length && (at < first || at >= last)) seen.push(at); // so that the focus is not lost

  const one = (i) => {
    const photo = photos[i];
    return html`
      <div
        key=${photo.id}
        class="photo ${photo.state}"
        role="option"
        aria-selected=${isChosen(photo.id) ? "true" : "false"}
        aria-setsize=${photos.length}
        aria-posinset=${i + 1}
        aria-label=${described(photo)}
        title=${photo.name}
        tabindex=${i === at ? 0 : -1}
        draggable="true"
        style=${{
          width: `${cell}px`,
          height: `${cell + line}px`,
          transform: `translate(${(i % columns) * (cell + GAP)}px, ${Math.floor(i / columns) * step}px)`,
        }}
        onClick=${(event) => press(event, i)}
        onDblClick=${() => look(photos, i)}
        onDragStart=${(event) => drag(event, photo)}
        onFocus=${() => (activate(i), leaveFrom(box.current))}
      >
        <img src=${thumb(photo)} alt="" draggable=${false} style=${{ height: `${cell}px` }} />
        ${caption?.(photo).map((words) => html`<span class="caption">${words}</span>`)}
      </div>`;
  };

  return html`
    <div class="grid" ref=${box} onKeyDown=${keys}>
      <div role="listbox" aria-multiselectable="true" aria-label=${name} style=${{ height: `${Math.max(0, rows * step - GAP)}px` }}>
        ${seen.map(one)}
      </div>
    </div>`;
}

/** One photo in words. */
export function described(photo) {
  const said = [photo.name, photo.label];
  if (photo.state === "waiting") said.push(t("photo.waiting"));
  if (photo.predicted && photo.predicted !== photo.label) said.push(t("photo.looks-like", { label: photo.predicted }));
  return said.join(", ");
}
