"use strict";
/* A photo fitted to the model's input as headstart does it: Pillow's antialiased bicubic, and the same geometry. */

const resize = (() => {
  const ROWS = 256; // read from a canvas at once: a canvas for a whole photo is too large for some phones
  const BITS = 22; // of a weight's fraction; Pillow computes with whole numbers, and so do we

  /** Keys' cubic convolution kernel with a = -0.5 (Keys 1981, equation 8). */
  function cubic(x) {
    x = Math.abs(x);
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
  }

  /**
   * Which pixels each new pixel is made of, and with which weights: `size` new pixels from `length` old ones between
   * `from` and `to`. The kernel is as many times wider as there are old pixels for a new one.
   */
  function mixture(length, from, to, size) {
    const scale = (to - from) / size;
    const stretch = Math.max(scale, 1);
    return Array.from({ length: size }, (_, i) => {
      const centre = from + (i + 0.5) * scale;
      const first = Math.max(Math.floor(centre - 2 * stretch + 0.5), 0);
      const end = Math.min(Math.floor(centre + 2 * stretch + 0.5), length);
      const weights = [];
      for (let j = first; j < end; j++) weights.push(cubic((j - centre + 0.5) / stretch));
      const sum = weights.reduce((a, b) => a + b, 0);
      return { first, weights: Int32Array.from(weights, (w) => Math.round(w / sum * 2 ** BITS)) };
    });
  }

  const rounded = (sum) => Math.min(Math.max(Math.floor(sum / 2 ** BITS + 0.5), 0), 255);

  /** One row of RGBA in `pixels` from `start` on -> RGB in `out` from `place` on. */
  function across(pixels, start, mixtures, out, place) {
    for (const { first, weights } of mixtures) {
      let r = 0, g = 0, b = 0;
      for (let j = 0, at = start + 4 * first; j < weights.length; j++, at += 4) {
        r += weights[j] * pixels[at];
        g += weights[j] * pixels[at + 1];
        b += weights[j] * pixels[at + 2];
      }
      out[place++] = rounded(r);
      out[place++] = rounded(g);
      out[place++] = rounded(b);
    }
  }

  /** RGB rows of `width` pixels -> as many rows as there are mixtures. */
  function down(rows, width, mixtures) {
    const step = 3 * width;
    const out = new Uint8Array(step * mixtures.length);
    mixtures.forEach(({ first, weights }, i) => {
      for (let x = 0; x < step; x++) {
        let sum = 0;
        for (let j = 0; j < weights.length; j++) sum += weights[j] * rows[(first + j) * step + x];
        out[i * step + x] = rounded(sum);
      }
    });
    return out;
  }

  /**
   * A part of a picture in another size.
   * source: what a canvas can draw, of `size.width` x `size.height`; box: { left, top, right, bottom } in it.
   */
  function resized(source, size, box, width, height) {
    const canvas = new OffscreenCanvas(size.width, Math.min(ROWS, size.height));
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const mixtures = mixture(size.width, box.left, box.right, width);
    const rows = new Uint8Array(3 * width * size.height);
    for (let top = 0; top < size.height; top += ROWS) {
      const count = Math.min(ROWS, size.height - top);
      context.fillStyle = "#fff"; // behind what is transparent
      context.fillRect(0, 0, size.width, count);
      context.drawImage(source, 0, -top);
      const { data } = context.getImageData(0, 0, size.width, count);
      for (let y = 0; y < count; y++) across(data, 4 * size.width * y, mixtures, rows, 3 * width * (top + y));
    }
    return down(rows, width, mixture(size.height, box.top, box.bottom, height));
  }

  /** To the nearest whole number, halves to the even one, as Python rounds. */
  const even = (x) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));

  /** Several views of a photo, one below the other; what is left at the right of a narrower one is black. */
  function stacked(source, size, view) {
    const out = new Uint8Array(3 * view.width * view.height);
    let top = 0;
    for (const part of view.parts) {
      const inner = fitted(source, size, part);
      for (let y = 0; y < part.height; y++) {
        out.set(inner.subarray(3 * part.width * y, 3 * part.width * (y + 1)), 3 * view.width * (top + y));
      }
      top += part.height;
    }
    return out;
  }

  /** Pixels for the model, Uint8Array (height, width, 3); view: { height, width, fit, fraction }, or with parts. */
  function fitted(source, size, view) {
    const whole = { left: 0, top: 0, right: size.width, bottom: size.height };
    if (view.parts) return stacked(source, size, view);
    if (view.fit === "squash") return resized(source, size, whole, view.width, view.height);
    if (view.fit === "crop") {
      const scale = Math.min(size.width / view.width, size.height / view.height) * view.fraction;
      const left = (size.width - view.width * scale) / 2, top = (size.height - view.height * scale) / 2;
      const box = { left, top, right: left + view.width * scale, bottom: top + view.height * scale };
      return resized(source, size, box, view.width, view.height);
    }
    const scale = Math.min(view.width / size.width, view.height / size.height);
    const width = Math.max(even(size.width * scale), 1), height = Math.max(even(size.height * scale), 1);
    const inner = resized(source, size, whole, width, height);
    const out = new Uint8Array(3 * view.width * view.height).fill(127);
    const left = Math.floor((view.width - width) / 2), top = Math.floor((view.height - height) / 2);
    for (let y = 0; y < height; y++) {
      out.set(inner.subarray(3 * width * y, 3 * width * (y + 1)), 3 * (view.width * (top + y) + left));
    }
    return out;
  }

  return { fitted };
})();
