"use strict";
/* What a person sees and does: photos and the camera in, answers out. `window.headstart` is for programs. */

(() => {
  const AT_MOST = 10; // bars
  const SIDE = 1024; // pixels of the photo that is shown
  const STEADY = 3; // pictures of the camera with the same answer before it is spoken
  const at = (id) => document.getElementById(id);
  const block = (id) => at(id).textContent;
  const given = JSON.parse(block("given"));
  const { words, view, classes } = given;
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  /** Until the browser has shown what was changed. */
  const shown = () => new Promise((go) => { setTimeout(go, 100); requestAnimationFrame(() => setTimeout(go)); });
  let turn = 0; // number of the newest photo: an older one that is ready later is not shown

  // Answers

  function percent(p) {
    if (p >= 0.9995) return words.most;
    return p < 0.0005 ? words.least : fill(words.percent, { number: (100 * p).toFixed(1) });
  }

  function element(name, className, ...content) {
    const found = document.createElement(name);
    found.className = className;
    found.append(...content);
    return found;
  }

  /** The class names alone, as long as there is no photo. */
  function showNames() {
    at("bars").className = "empty";
    at("bars").replaceChildren(...classes.slice(0, AT_MOST).map((one) => element("li", "", element("bdi", "", one))));
    at("rest").hidden = classes.length <= AT_MOST;
    at("rest").textContent = fill(words.more, { count: classes.length - AT_MOST });
  }

  function bar(name, p, best) {
    const length = document.createElement("i");
    length.style.width = `${100 * p}%`;
    const meter = element("span", "meter", length);
    meter.setAttribute("aria-hidden", "true");
    return element("li", best ? "best" : "", element("bdi", "", name), element("span", "number", percent(p)), meter);
  }

  /** Returns what is to be spoken. */
  function show(probabilities) {
    const order = classes.map((_, i) => i).sort((a, b) => probabilities[b] - probabilities[a]);
    const best = order[0], p = probabilities[best], sure = p >= 0.5;
    at("heading").textContent = words.answer;
    at("answer").firstElementChild.textContent = classes[best];
    at("answer").className = sure ? "" : "unsure";
    at("sure").textContent = fill(sure ? words.sure : words.unsure, { percent: percent(p) });
    at("bars").className = "";
    at("bars").replaceChildren(...order.slice(0, AT_MOST).map((i) => bar(classes[i], probabilities[i], i === best)));
    const others = order.slice(AT_MOST);
    const rest = others.reduce((sum, i) => sum + probabilities[i], 0);
    at("rest").hidden = !others.length;
    at("rest").textContent = `${fill(words.rest, { count: others.length })}: ${percent(rest)}`;
    at("answer").hidden = at("sure").hidden = false;
    at("trouble").hidden = true;
    return fill(sure ? words.spoken : words.spoken_unsure, { name: classes[best], percent: percent(p) });
  }

  function trouble(text) {
    at("answer").hidden = at("sure").hidden = true;
    at("heading").textContent = words.knows;
    showNames();
    at("trouble").textContent = text;
    at("trouble").hidden = false;
  }

  function busy(on) {
    document.body.classList.toggle("busy", on);
    if (on) at("heading").textContent = words.working;
  }

  const answers = (pixels) => model.predict(pixels, view.height, view.width);

  // Photos

  const sizeOf = (picture) => ({ width: picture.width, height: picture.height });

  /** A photo as the browser turns it, by what the camera noted in the file. */
  const opened = (file) => createImageBitmap(file, { imageOrientation: "from-image" });

  function draw(picture) {
    const scale = Math.min(SIDE / Math.max(picture.width, picture.height), 1);
    const canvas = at("photo");
    canvas.width = Math.max(picture.width * scale, 1);
    canvas.height = Math.max(picture.height * scale, 1);
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    canvas.hidden = at("another").hidden = false;
    at("video").hidden = at("invitation").hidden = true;
    at("frame").classList.add("full");
  }

  async function photo(file) {
    const mine = ++turn;
    stop();
    at("trouble").hidden = true;
    at("spoken").textContent = "";
    busy(true);
    await shown();
    try {
      const picture = await opened(file);
      if (mine !== turn) return;
      draw(picture);
      await shown();
      at("spoken").textContent = show(answers(resize.fitted(picture, sizeOf(picture), view))[0]);
      picture.close();
    } catch {
      if (mine === turn) trouble(fill(words.no_photo, { name: file.name || words.photo }));
    } finally {
      if (mine === turn) busy(false);
    }
  }

  /** From a drop or a paste; returns whether there was a file. */
  function taken(transfer) {
    const file = transfer && [...transfer.files][0];
    if (file) photo(file);
    return Boolean(file);
  }

  // The camera

  let stream = null;

  function stop() {
    if (!stream) return;
    for (const track of stream.getTracks()) track.stop();
    stream = at("video").srcObject = null;
    at("camera").textContent = words.camera;
    at("camera").classList.remove("on");
  }

  /** Keep what the camera saw last. */
  function freeze() {
    const video = at("video");
    if (video.videoWidth) createImageBitmap(video).then(draw).catch(() => {});
    ++turn;
    stop();
  }

  async function camera() {
    if (stream) return freeze();
    if (!navigator.mediaDevices) return trouble(words.camera_never);
    const mine = ++turn;
    busy(true);
    try {
      const wanted = { facingMode: "environment", width: { ideal: 640 }, height: { ideal: 480 } };
      const found = await navigator.mediaDevices.getUserMedia({ video: wanted });
      if (mine !== turn) return found.getTracks().forEach((track) => track.stop());
      stream = found;
      at("video").srcObject = stream;
      await at("video").play();
      at("trouble").hidden = true;
      at("video").hidden = at("another").hidden = false;
      at("photo").hidden = at("invitation").hidden = true;
      at("frame").classList.add("full");
      at("camera").textContent = words.stop;
      at("camera").classList.add("on");
      watch(mine);
    } catch (error) {
      stop();
      const known = { NotAllowedError: words.camera_refused, NotFoundError: words.camera_missing };
      trouble(known[error.name] || words.camera_busy);
    } finally {
      if (mine === turn) busy(false);
    }
  }

  /** Answer again and again, as long as the camera is on. */
  async function watch(mine) {
    const video = at("video");
    let last = "", times = 0, spoken = "";
    while (stream && mine === turn) {
      const size = { width: video.videoWidth, height: video.videoHeight };
      if (size.width) {
        const text = show(answers(resize.fitted(video, size, view))[0]);
        const name = at("answer").textContent;
        times = name === last ? times + 1 : 1;
        last = name;
        if (times === STEADY && name !== spoken) {
          at("spoken").textContent = text;
          spoken = name;
        }
      }
      await shown();
    }
  }

  // The file checks itself

  function verdict(word, good) {
    const line = at("check");
    line.textContent = words[word];
    line.className = good ? "good" : "bad";
    if (!good) { // where nobody overlooks it
      line.setAttribute("role", "alert");
      document.querySelector("header").after(line);
    }
    at("file").disabled = at("another").disabled = at("camera").disabled = !good;
    return good;
  }

  async function check() {
    at("check").textContent = words.checking;
    showNames();
    await shown();
    const sums = JSON.parse(block("sums"));
    const stored = {};
    try {
      for (const id of Object.keys(sums)) stored[id] = new TextEncoder().encode(block(id));
      for (const id of ["weights", "wasm"]) stored[id] = model.bytes(block(id));
    } catch {
      return verdict("damaged", false);
    }
    for (const [id, sum] of Object.entries(sums)) if (sha256(stored[id]) !== sum) return verdict("damaged", false);
    try {
      await model.open(stored.wasm, JSON.parse(block("model")), stored.weights);
      for (const { pixels, probabilities } of given.checks) {
        const found = answers(model.bytes(pixels))[0];
        if (!found.every((p, i) => Math.abs(p - probabilities[i]) <= given.tolerance)) return verdict("differs", false);
      }
    } catch {
      return verdict("cannot", false);
    }
    return verdict("checked", true);
  }

  // What a person does

  at("file").addEventListener("change", () => {
    if (at("file").files[0]) photo(at("file").files[0]);
    at("file").value = ""; // so that the same photo can be chosen again
  });
  at("another").addEventListener("click", () => at("file").click());
  at("camera").addEventListener("click", camera);
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      const inside = kind === "dragleave" ? event.relatedTarget !== null : kind !== "drop";
      at("frame").classList.toggle("over", inside && !at("file").disabled);
      if (kind === "drop" && !at("file").disabled && !taken(event.dataTransfer)) trouble(words.no_file);
    });
  }
  document.addEventListener("paste", (event) => {
    if (!at("file").disabled && !taken(event.clipboardData)) trouble(words.no_file);
  });
  document.addEventListener("visibilitychange", () => { if (document.hidden && stream) freeze(); });

  window.headstart = {
    /** Whether the file gives headstart's answers; a promise. */
    checked: check(),
    classes,
    /** Probabilities of pictures: base64 of uint8 (n, height, width, 3), RGB. */
    predict: (pixels) => answers(model.bytes(pixels)),
    /** A photo as the model gets it: base64 of a file -> uint8 (height, width, 3). */
    read: async (file) => {
      const picture = await opened(new Blob([model.bytes(file)]));
      return Array.from(resize.fitted(picture, sizeOf(picture), view));
    },
  };
})();
