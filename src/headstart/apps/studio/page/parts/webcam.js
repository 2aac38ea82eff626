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

  const take = async () => {
    const blob = await picture(video.current, SIDE);
    const name = `webcam-${new Date().toISOString().replace(/[:.]/g, "-")}.jpg`;
    send(label, [{ file: new File([blob], name, { type: "image/jpeg" }), name }]);
    count((before) => [...before, URL.createObjectURL(blob)]);
  };
  const hold = () => {
    if (timer.current || trouble !== "") return;
    take();
    timer.current = setInterval(take, EVERY);
  };
  const release = () => {
    clearInterval(timer.current);
    timer.current = 0;
  };
  useEffect(() => release, []);

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
