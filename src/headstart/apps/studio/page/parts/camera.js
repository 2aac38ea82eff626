// The computer's camera: opened while it is needed, one picture at a time.

import { t } from "../text.js";
import { html, useEffect, useRef, useState } from "../vendor/preact.js";

const REFUSED = { NotAllowedError: "camera.not-allowed", NotFoundError: "camera.none", NotReadableError: "camera.busy" };

/** A ref for the `<video>`, and what is the matter: "" while all is well, null until the camera is on. */
export function useCamera(facing) {
  const video = useRef();
  const [trouble, report] = useState(null);
  useEffect(() => {
    let stream;
    let gone = false;
    const start = async () => {
      if (!navigator.mediaDevices) return report(t("camera.insecure"));
      try {
        stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: facing, width: { ideal: 1280 } } });
      } catch (error) {
        return report(t(REFUSED[error.name] ?? "camera.busy"));
      }
      if (gone) return stop(stream);
      video.current.srcObject = stream;
      await video.current.play().catch(() => {}); // it starts by itself as soon as it may
      report("");
    };
    start();
    return () => {
      gone = true;
      if (stream) stop(stream);
    };
  }, [facing]);
  return [video, trouble];
}

const stop = (stream) => stream.getTracks().forEach((track) => track.stop());

/** What the camera sees, as a JPEG of at most `side` pixels. */
export function picture(video, side) {
  const scale = Math.min(1, side / Math.max(video.videoWidth, video.videoHeight));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(video.videoWidth * scale);
  canvas.height = Math.round(video.videoHeight * scale);
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.9));
}

export function Screen({ video, trouble }) {
  return html`
    <div class="screen">
      <video ref=${video} muted playsinline aria-label=${t("camera.name")} />
      ${trouble === null && html`<p>${t("camera.starting")}</p>`}
      ${trouble && html`<p role="alert">${trouble}</p>`}
    </div>`;
}
