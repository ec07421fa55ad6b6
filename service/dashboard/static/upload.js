// Sends a chosen or dropped file to `PUT /v1/datasets/{name}`.
import { problemOf, wordsOf } from "./problems.js";
import { rootPath } from "./root_path.js";

const NOT_IN_NAMES = /[^A-Za-z0-9._-]+/g;
const STATED = ["image_column", "label_column", "split_column", "group_column", "value_range"];

// Calls `onUploaded(dataset, file, stated)` with the service's description of the file, and with the query's parameters.
export function uploader(root, onUploaded) {
  const get = (id) => root.querySelector(`#upload-${id}`);
  const parts = {
    drop: root.querySelector(".drop"),
    file: get("file"),
    naming: root.querySelector(".upload-name"),
    name: get("name"),
    reading: get("reading"),
    send: get("send"),
    stop: get("stop"),
    sending: root.querySelector(".sending"),
    progress: root.querySelector("progress"),
    status: get("status"),
    refusal: get("refusal"),
  };
  let file = null;
  let request = null;

  function choose(chosen) {
    file = chosen;
    clear(parts);
    parts.naming.hidden = !file;
    if (!file) return;
    parts.name.value = nameFrom(file.name);
    parts.reading.hidden = /\.safetensors$/i.test(file.name);
    parts.status.textContent = `${file.name}, ${size(file.size)}`;
    parts.name.focus();
  }

  function send() {
    clear(parts);
    if (file.size > Number(root.dataset.most)) {
      refuse(`${file.name} has ${size(file.size)}; this service accepts at most ${root.dataset.mostWords}.`);
      return;
    }
    const stated = statedIn(root, parts.reading);
    request = new XMLHttpRequest();
    request.upload.addEventListener("progress", (event) => showProgress(parts, event));
    request.upload.addEventListener("load", () => waiting(parts));
    let stopped = false;
    request.addEventListener("abort", () => (stopped = true));
    request.addEventListener("loadend", ({ target }) => {
      busy(parts, false);
      request = null;
      if (stopped) parts.status.textContent = "Stopped. Nothing was stored.";
      else if (target.status === 200 || target.status === 201) accepted(JSON.parse(target.responseText), stated);
      else refused(problemOf(target.status, target.responseText));
    });
    const query = new URLSearchParams(stated).toString();
    request.open("PUT", `${rootPath}/v1/datasets/${encodeURIComponent(parts.name.value.trim())}${query && `?${query}`}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    busy(parts, true);
    request.send(file);
  }

  function accepted(dataset, stated) {
    parts.status.textContent = `${dataset.name} is uploaded and checked.`;
    onUploaded(dataset, file, stated);
  }

  function refused(problem) {
    parts.status.textContent = "";
    parts.refusal.replaceChildren(...wordsOf(problem));
    if (problem.code === "dataset_name_taken" || problem.code === "invalid_name") parts.name.focus();
  }

  function refuse(words) {
    refused({ detail: words, errors: [] });
  }

  parts.file.addEventListener("change", () => choose(parts.file.files[0] ?? null));
  parts.send.addEventListener("click", send);
  parts.stop.addEventListener("click", () => request?.abort());
  parts.name.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    if (!request) send();
  });
  listenForDrops(parts.drop, parts.file, choose);
  // Chosen before this module was loaded, or restored by the browser.
  if (parts.file.files.length) choose(parts.file.files[0]);
}

// The name of the file, changed to a valid name of a dataset.
export function nameFrom(fileName) {
  const stem = fileName.replace(/\.[^.]+$/, "").normalize("NFKD").replace(/\p{M}/gu, "");
  return stem.replace(NOT_IN_NAMES, "-").replace(/^[^A-Za-z0-9]+|-+$/g, "").slice(0, 64) || "images";
}

export function size(bytes) {
  const units = ["bytes", "kB", "MB", "GB"];
  const unit = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(bytes || 1) / 3)));
  return `${unit ? (bytes / 1000 ** unit).toFixed(1) : bytes} ${units[unit]}`;
}

function listenForDrops(drop, input, choose) {
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    choose(event.dataTransfer.files[0]);
  });
  // Without this, the browser would open a file dropped outside the area in place of the page.
  for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());
}

function statedIn(root, details) {
  if (details.hidden) return {};
  const given = STATED.map((name) => [name, root.querySelector(`#upload-${name}`).value.trim()]);
  return Object.fromEntries(given.filter(([, value]) => value));
}

function showProgress({ progress, status }, event) {
  progress.value = event.total ? event.loaded / event.total : 0;
  status.textContent = `${size(event.loaded)} of ${size(event.total)} sent`;
}

function waiting({ progress, status }) {
  progress.removeAttribute("value");
  status.textContent = "Sent. The service now checks every image.";
}

function busy({ progress, sending, send, stop, name, file }, is) {
  progress.value = 0;
  sending.hidden = !is;
  stop.hidden = !is;
  for (const control of [send, name, file]) control.disabled = is;
}

function clear({ status, refusal }) {
  status.textContent = "";
  refusal.replaceChildren();
}
