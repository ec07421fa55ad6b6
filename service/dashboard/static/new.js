// The form of a request: connects its parts, shows the request as commands, and sends it.
import { Baselines } from "./baselines.js";
import { Classes } from "./classes.js";
import { curlOf, pythonOf } from "./commands.js";
import { forget, place, problemOf } from "./problems.js";
import { bodyOf, chosen } from "./request.js";
import { rootPath } from "./root_path.js";
import { uploader } from "./upload.js";

const form = document.getElementById("request");
const ask = document.getElementById("ask");
const classes = new Classes(form.querySelector("[data-field=labels]"), update);
const list = document.getElementById("baselines");
const baselines = list && new Baselines(list, update);
const uploads = new Map();

// One idempotency key for each body: sending the same body twice creates one recommendation.
let key = newKey();
let sent = null;

function body() {
  return bodyOf(form, { labels: classes.groups(), baselines: baselines?.chosen() ?? null });
}

function update() {
  const request = body();
  const uri = request.dataset?.uri;
  const upload = uploads.get(uri) ?? null;
  document.getElementById("same-empty").hidden = Boolean(uri);
  for (const part of form.querySelectorAll(".code")) part.hidden = !uri;
  const keyed = form.dataset.keyed === "yes";
  document.getElementById("curl").textContent = curlOf(form.dataset.base, request, keyed, upload);
  document.getElementById("python").textContent = pythonOf(form.dataset.base, request, keyed, upload);
}

function arrange() {
  const by = ["", "race"].includes(form.elements["search-strategy"].value) ? "race" : "search";
  for (const part of form.querySelectorAll("[data-by]")) part.hidden = part.dataset.by !== by;
  if (by === "race" && chosen(form, "budget") === "iterations") form.elements.budget.value = "none";
  for (const panel of form.querySelectorAll("[data-source]")) panel.hidden = panel.dataset.source !== chosen(form, "source");
  for (const panel of form.querySelectorAll("[data-budget]")) panel.hidden = panel.dataset.budget !== chosen(form, "budget");
  document.getElementById("reading").hidden = ["file", "known"].includes(chosen(form, "source"));
  baselines?.open(chosen(form, "baselines") === "chosen");
}

function showClasses() {
  const { uri, label_column: column } = body().dataset ?? {};
  return classes.show(uri ?? null, column ?? null);
}

form.addEventListener("input", (event) => {
  forget(event.target);
  update();
});
form.addEventListener("change", () => {
  arrange();
  showClasses();
  update();
});

// The Enter key must not submit a request for hours of work.
form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches("input:not([type=file])")) event.preventDefault();
});

const upload = form.querySelector("[data-upload]");
if (upload) {
  uploader(upload, (dataset, file, stated) => {
    if (dataset.kind === "safetensors") {
      location.assign(`${rootPath}/datasets/${encodeURIComponent(dataset.name)}`);
      return;
    }
    uploads.set(dataset.uri, { name: dataset.name, file: file.name, stated });
    choose(dataset);
  });
}

// Selects the dataset that was just uploaded.
function choose({ name, uri }) {
  const select = document.getElementById("uploaded");
  if (![...select.options].some((option) => option.value === uri)) select.prepend(new Option(name, uri));
  select.value = uri;
  const source = form.querySelector("[name=source][value=uploaded]");
  source.disabled = false;
  source.closest("label").classList.remove("soft");
  source.checked = true;
  arrange();
  showClasses();
  update();
  select.focus();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (ask.disabled) return;
  ask.disabled = true;
  forget();
  const text = JSON.stringify(body());
  if (sent !== null && text !== sent) key = newKey();
  sent = text;
  const { recommendation, problem } = await asked(text);
  if (recommendation) {
    ask.textContent = "Submitted";
    location.assign(`${rootPath}/recommendations/${recommendation.id}`);
    return;
  }
  place(form, document.getElementById("refusal"), problem);
  ask.disabled = false;
});

async function asked(text) {
  try {
    const answer = await fetch(`${rootPath}/v1/recommendations`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "Idempotency-Key": key },
      body: text,
    });
    if (answer.ok) return { recommendation: await answer.json() };
    return { problem: problemOf(answer.status, await answer.text()) };
  } catch {
    return { problem: problemOf(0, "") };
  }
}

// Random numbers that work without HTTPS too.
function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// After the browser's back button the form is as it was. Submitting it again is a new request.
addEventListener("pageshow", ({ persisted }) => {
  if (!persisted) return;
  key = newKey();
  sent = null;
  ask.disabled = false;
  ask.textContent = "Ask for a network";
});

// Runs now, and again after the browser has restored the fields of a reloaded page.
begin();
addEventListener("pageshow", begin);

function begin() {
  arrange();
  showClasses();
  update();
}
