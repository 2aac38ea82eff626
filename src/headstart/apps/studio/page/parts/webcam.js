// Photos for a class from the camera: as long as the button is held, five a second.

import { t } from "../text.js";
import { send } from "../uploads.js";
import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { picture, Screen, useCamera } from "./camera.js";
import { Dialog } from "./dialog.js";
import { icon } from "./icons.js";

const EVERY = 200; // milliseconds
const SIDE = 1024; // pixels

export function Webcam({ label, close }) {
  const [video, trouble] = useCamera("environment");
  const [taken, count] = useState([]);
  const timer = useRef(0);
  const held = useRef([]); // what is taken while the button is held: sent together, and so undone together

  const take = async () => {
    const name = `webcam-${new Date().toISOString().replace(/[:.]/g, "-")}.jpg`;
    const blob = await picture(video.current, SIDE);
    count((before) => [...before, URL.createObjectURL(blob)]);
    return { file: new File([blob], name, { type: "image/jpeg" }), name };
  };
  const hold = () => {
    if (timer.current || trouble !== "") return;
    held.current = [take()];
    timer.current = setInterval(() => held.current.push(take()), EVERY);
  };
  const release = async () => {
    clearInterval(timer.current);
    timer.current = 0;
    send(label, await Promise.all(held.current.splice(0)));
  };
  useEffect(() => () => void release(), []);

  const key = (event) => (event.key === " " || event.key === "Enter") && (event.preventDefault(), true);
  return html`
    <${Dialog} title=${t("webcam.title", { label })} close=${close} wide>
      <${Screen} video=${video} trouble=${trouble} />
      <button
        class="main shutter"
        disabled=${trouble !== ""}
        onPointerDown=${(event) => (event.currentTarget.setPointerCapture(event.pointerId), hold())}
        onPointerUp=${release}
        onPointerCancel=${release}
        onKeyDown=${(event) => key(event) && hold()}
        onKeyUp=${release}
        onBlur=${release}
        onContextMenu=${(event) => event.preventDefault()}
      >
        ${icon("camera")} ${t("webcam.hold")}
      </button>
      <p class="quiet" role="status">${taken.length ? t("webcam.taken", { n: taken.length }) : t("webcam.hint")}</p>
      <div class="strip">${taken.slice(-12).reverse().map((url) => html`<img key=${url} src=${url} alt="" />`)}</div>
    <//>`;
}
