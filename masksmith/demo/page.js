// The page: where frames come from, what is shown of them, and the readings.

import { makeScene } from "/scene.js";

const $ = (id) => document.getElementById(id);
const stage = $("stage"), pen = stage.getContext("2d");
const layer = new OffscreenCanvas(1, 1), layerPen = layer.getContext("2d");
const raw = new OffscreenCanvas(1, 1), rawPen = raw.getContext("2d", { willReadFrequently: true });
const mask = new OffscreenCanvas(1, 1), maskPen = mask.getContext("2d");
const EFFECTS = ["blur", "replace", "colour", "overlay", "mask", "none"];

const state = {
  site: null, models: [], source: null, paused: false, fresh: true, busy: false, backdrop: null, size: null,
  shown: [], spent: [], flips: [], frames: 0, lastMask: null,
};

// ---- the worker ---------------------------------------------------------------------------------------------------

let worker = null, waiting = new Map(), calls = 0;

function start() {
  if (worker) worker.terminate();
  for (const { no } of waiting.values()) no(new Error("the network was changed"));
  waiting = new Map();
  worker = new Worker("/worker.js");
  worker.onmessage = ({ data }) => {
    const call = waiting.get(data.id);
    waiting.delete(data.id);
    if (!call) return;
    if (data.fault) call.no(new Error(data.fault));
    else call.yes(data);
  };
  worker.onerror = (event) => tell(`The worker stopped: ${event.message || "it could not be loaded"}`, "fault");
}

function ask(type, given = {}, moved = []) {
  const id = ++calls;
  return new Promise((yes, no) => {
    waiting.set(id, { yes, no });
    worker.postMessage({ id, type, ...given }, moved);
  });
}

function tell(text, how = document.body.dataset.state) {
  $("note").textContent = text;
  document.body.dataset.state = how;
}

let loading = 0;

async function load() {
  const turn = ++loading;
  const model = state.models[$("model").selectedIndex];
  if (!model) {
    tell("No network yet: choose a file under Network, Other.", "empty");
    return;
  }
  tell(`Loading ${model.name}.`, "loading");
  start();
  state.spent = [];
  state.flips = [];
  state.fresh = true;
  state.lastMask = null;
  try {
    const data = model.file ? await model.file.arrayBuffer() : undefined;
    const about = { url: model.url, size: model.size, output: model.output };
    $("engine").disabled = model.kind !== ".onnx"; // WebGPU is for ONNX Runtime alone
    const { size, carries } = await ask("load", { model: about, data, kind: model.kind, where: $("engine").value });
    if (turn !== loading) return;
    state.size = size;
    $("prior").disabled = !carries;
    tell(`${model.name}: ${size[1]} x ${size[0]}${carries ? "" : ", takes no prior"}.`, "ready");
  } catch (fault) {
    if (turn !== loading) return;
    if ($("engine").value === "webgpu" && !$("engine").disabled) {
      $("engine").value = "wasm";
      await load();
      if (document.body.dataset.state === "ready") tell(`No WebGPU here (${fault.message}): on with WASM.`);
      return;
    }
    tell(`${model.name} does not run here: ${fault.message}`, "fault");
  }
}

// ---- where frames come from ---------------------------------------------------------------------------------------

const video = document.createElement("video");
video.muted = true;
video.playsInline = true;
video.loop = true;

function drawn() {
  const scene = makeScene();
  return {
    kind: "scene", width: scene.width, height: scene.height, close() {},
    frame(seconds) {
      scene.draw(seconds);
      return scene.canvas;
    },
  };
}

async function filmed(prepare, kind, close) {
  await prepare();
  await video.play();
  return { kind, get width() { return video.videoWidth; }, get height() { return video.videoHeight; }, frame: () => video, close };
}

async function open(kind) {
  state.source?.close();
  state.source = null;
  if (kind === "camera") {
    try {
      if (!navigator.mediaDevices) throw new Error("this address may not use a camera; open the page as localhost");
      const wanted = { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "user" };
      const stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
      state.source = await filmed(() => { video.srcObject = stream; }, "camera", () => {
        stream.getTracks().forEach((track) => track.stop());
        video.srcObject = null;
      });
    } catch (fault) {
      const why = { NotAllowedError: "it was refused; allow it beside the address and choose it again",
        NotFoundError: "none is there", NotReadableError: "another program uses it" }[fault.name] || fault.message;
      document.querySelector('[name="source"][value="clip"]').checked = true;
      await open("clip");
      tell(`No camera: ${why}. Here is the clip.`);
      return;
    }
  } else if (state.site.clip) {
    try {
      state.source = await filmed(() => { video.src = state.site.clip; }, "clip", () => {
        video.pause();
        video.removeAttribute("src");
        video.load();
      });
    } catch (fault) {
      state.source = drawn();
      tell(`The clip does not play here (${fault.message}); this is a drawn one.`);
    }
  } else {
    state.source = drawn();
  }
  state.fresh = true;
}

// ---- frame by frame -----------------------------------------------------------------------------------------------

let lastTime = -1;

async function turn(now) {
  requestAnimationFrame(turn);
  const source = state.source;
  if (state.busy || state.paused || !source || document.body.dataset.state !== "ready" || !source.width) return;
  if (source.kind !== "scene") {
    if (video.readyState < 2 || video.currentTime === lastTime) return;
    lastTime = video.currentTime;
  }
  state.busy = true;
  try {
    const bitmap = await createImageBitmap(source.frame(now / 1000));
    const fresh = state.fresh;
    state.fresh = false;
    const found = await ask("frame", { bitmap, prior: $("prior").checked, fresh }, [bitmap]);
    show(found);
    read(found, fresh);
    found.bitmap.close();
  } catch (fault) {
    if (document.body.dataset.state === "ready") tell(`This frame failed: ${fault.message}`, "fault");
  } finally {
    state.busy = false;
  }
}

function fit(canvas, width, height) {
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
}

function show({ bitmap, rgba, width, height }) {
  const w = bitmap.width, h = bitmap.height;
  for (const canvas of [stage, layer, raw]) fit(canvas, w, h);
  fit(mask, width, height);
  maskPen.putImageData(new ImageData(rgba, width, height), 0, 0);
  rawPen.drawImage(bitmap, 0, 0);
  state.lastMask = { rgba, width, height };
  const effect = document.querySelector('[name="effect"]:checked').value;
  pen.globalCompositeOperation = "copy";
  if (effect === "mask") {
    pen.drawImage(mask, 0, 0, w, h);
    pen.globalCompositeOperation = "destination-over";
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, w, h);
    return;
  }
  if (effect === "none" || effect === "overlay") {
    pen.drawImage(bitmap, 0, 0);
    if (effect === "none") return;
    layerPen.globalCompositeOperation = "copy";
    layerPen.fillStyle = $("colour").value;
    layerPen.fillRect(0, 0, w, h);
  } else {
    backdrop(effect, bitmap, w, h);
    layerPen.globalCompositeOperation = "copy";
    layerPen.drawImage(bitmap, 0, 0);
  }
  layerPen.globalCompositeOperation = "destination-in";
  layerPen.imageSmoothingQuality = "high";
  layerPen.drawImage(mask, 0, 0, w, h);
  pen.globalCompositeOperation = "source-over";
  pen.globalAlpha = effect === "overlay" ? 0.55 : 1;
  pen.drawImage(layer, 0, 0);
  pen.globalAlpha = 1;
}

function backdrop(effect, bitmap, w, h) {
  if (effect === "colour" || (effect === "replace" && !state.backdrop)) {
    const sky = pen.createLinearGradient(0, 0, 0, h);
    sky.addColorStop(0, effect === "colour" ? $("colour").value : "#7fb2d6");
    sky.addColorStop(1, effect === "colour" ? $("colour").value : "#e8d9b9");
    pen.fillStyle = sky;
    pen.fillRect(0, 0, w, h);
  } else if (effect === "replace") {
    const scale = Math.max(w / state.backdrop.width, h / state.backdrop.height);
    const bw = state.backdrop.width * scale, bh = state.backdrop.height * scale;
    pen.drawImage(state.backdrop, (w - bw) / 2, (h - bh) / 2, bw, bh);
  } else {
    const radius = (Number($("strength").value) / 640) * Math.max(w, h);
    pen.filter = `blur(${radius}px)`;
    pen.drawImage(bitmap, -radius, -radius, w + 2 * radius, h + 2 * radius); // no dark rim
    pen.filter = "none";
  }
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

function read({ spent, flips }, fresh) {
  const now = performance.now();
  state.frames += 1;
  state.shown.push(now);
  while (state.shown.length && now - state.shown[0] > 2000) state.shown.shift();
  state.spent.push([spent.pre + spent.run + spent.post, spent.run]);
  if (!fresh) state.flips.push(flips);
  if (state.spent.length > 60) state.spent.shift();
  if (state.flips.length > 60) state.flips.shift();
}

function figures() {
  const { shown, spent, flips } = state;
  const span = shown.length > 1 ? (shown[shown.length - 1] - shown[0]) / 1000 : 0;
  const stale = !shown.length || performance.now() - shown[shown.length - 1] > 2000;
  return {
    frames: state.frames,
    fps: span && !stale ? (shown.length - 1) / span : 0,
    total_ms: spent.length ? median(spent.map((pair) => pair[0])) : null,
    run_ms: spent.length ? median(spent.map((pair) => pair[1])) : null,
    jitter: flips.length ? flips.reduce((a, b) => a + b, 0) / flips.length : null,
  };
}

setInterval(() => {
  const found = figures();
  const put = (id, value, digits) => { $(id).textContent = value === null || Number.isNaN(value) ? "–" : value.toFixed(digits); };
  put("fps", found.fps || null, 0);
  put("total", found.total_ms, 1);
  put("run", found.run_ms, 1);
  put("jitter", found.jitter === null ? null : 100 * found.jitter, 1);
}, 400);

// ---- settings -----------------------------------------------------------------------------------------------------

function rows() {
  const effect = document.querySelector('[name="effect"]:checked').value;
  $("colour-row").hidden = !["colour", "overlay"].includes(effect);
  $("picture-row").hidden = effect !== "replace";
  $("strength-row").hidden = effect !== "blur";
}

function pause() {
  state.paused = !state.paused;
  $("pause").setAttribute("aria-pressed", String(state.paused));
  $("pause").textContent = state.paused ? "Go on" : "Pause";
  state.fresh = true;
}

function listed() {
  $("model").replaceChildren(...state.models.map((model) => new Option(model.name)));
}

$("effects").addEventListener("change", rows);
$("sources").addEventListener("change", (event) => open(event.target.value));
$("pause").addEventListener("click", pause);
$("model").addEventListener("change", load);
$("engine").addEventListener("change", load);
$("controls").addEventListener("submit", (event) => event.preventDefault());
$("prior").addEventListener("change", () => { state.fresh = true; state.flips = []; });
$("picture").addEventListener("change", async ({ target }) => {
  if (!target.files[0]) return;
  try {
    state.backdrop = await createImageBitmap(target.files[0]);
  } catch {
    tell(`${target.files[0].name} is no picture that this browser reads.`);
  }
});
$("file").addEventListener("change", ({ target }) => {
  const file = target.files[0];
  if (!file) return;
  const [, name, kind] = file.name.match(/^(.*?)(\.[^.]*)?$/);
  if (!state.site.kinds.includes(kind)) return tell(`${file.name} is no ${state.site.kinds.join(" or ")} file.`);
  state.models.push({ name, kind, file });
  listed();
  $("model").selectedIndex = state.models.length - 1;
  load();
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const at = event.target.closest("input, select, button, textarea");
  const typing = at && !["radio", "checkbox"].includes(at.type);
  if (typing) return;
  const number = Number(event.key);
  if (number >= 1 && number <= EFFECTS.length) {
    document.querySelector(`[name="effect"][value="${EFFECTS[number - 1]}"]`).checked = true;
    rows();
  } else if (event.key === "p" && !$("prior").disabled) {
    $("prior").click();
  } else if (event.key === "c") {
    const other = document.querySelector('[name="source"]:not(:checked)');
    other.checked = true;
    open(other.value);
  } else if (event.key === " " && !at) {
    event.preventDefault();
    pause();
  }
});

// ---- for measurements and tests -----------------------------------------------------------------------------------
async function quiet(work) {
  const before = state.paused;
  state.paused = true;
  while (state.busy) await new Promise((go) => setTimeout(go, 5));
  try {
    return await work();
  } finally {
    state.paused = before;
    state.fresh = true;
  }
}

async function taken(count) {
  const found = [];
  for (let k = 0; k < count; k++) {
    found.push(await createImageBitmap(state.source.frame(performance.now() / 1000)));
    await new Promise((go) => setTimeout(go, 40));
  }
  return found;
}

window.masksmith = {
  figures,
  /** The frame that is shown, as a PNG, and its mask: levels 0 to 255, row by row. */
  async snapshot() {
    return quiet(async () => {
      const blob = await raw.convertToBlob({ type: "image/png" });
      const { rgba, width, height } = state.lastMask;
      const levels = Array.from({ length: width * height }, (_, k) => rgba[4 * k + 3]);
      const bytes = new Uint8Array(await blob.arrayBuffer());
      let text = "";
      for (let k = 0; k < bytes.length; k += 8192) text += String.fromCharCode(...bytes.subarray(k, k + 8192));
      return { png: btoa(text), levels, width, height };
    });
  },
  /** Frames of the source through the whole way, without waiting for the screen; times in ms. */
  async bench({ runs = 200, prior = true } = {}) {
    return quiet(async () => {
      const bitmaps = await taken(8);
      const found = await ask("bench", { bitmaps, runs, prior }, bitmaps);
      return { seconds: found.seconds, total: Array.from(found.total), alone: Array.from(found.alone) };
    });
  },
};

async function begin() {
  try {
    const answer = await fetch("/site.json");
    state.site = await answer.json();
  } catch (fault) {
    tell(`The demo's server does not answer: ${fault.message}`, "fault");
    return;
  }
  state.models = state.site.models;
  listed();
  rows();
  if (navigator.gpu) $("engine").append(new Option("WebGPU", "webgpu"));
  await open("clip");
  await load();
  requestAnimationFrame(turn);
}

begin();
