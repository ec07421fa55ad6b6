// Updates a page while a job runs: fetches the page again and replaces the parts that have changed.
//
// A part with `data-live="NAME"` is replaced when the page's new HTML has other content for that name; its `data-figure`
// is then redrawn (a changed query in the address of a figure counts as other content).
// `data-every="MS"` on a part fetches at intervals; `data-events="ADDRESS"` fetches at each server-sent event from there.
// This survives a lost connection (the browser reconnects by itself, with the id of the last event) and a restart of the
// service.
import { rootPath } from "./root_path.js";
const SHORTEST_PAUSE_MS = 1000; // the service may share its machine with the worker
const LONGEST_SILENCE_MS = 5000;

let asking = false;
let again = false;
let source = null;
let silence = null;

export async function refresh() {
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.redirected && new URL(answer.url).pathname === `${rootPath}/login`) location.assign(answer.url);
    else if (answer.ok) exchange(new DOMParser().parseFromString(await answer.text(), "text/html"));
    report(answer.ok ? "" : `The service answers ${answer.status}. This page tries again.`);
  } catch {
    report("The service does not answer. This page tries again.");
  } finally {
    setTimeout(resume, SHORTEST_PAUSE_MS);
  }
  if (!silence) follow();
}

function resume() {
  const wanted = again;
  asking = again = false;
  if (wanted) refresh();
}

function exchange(fresh) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
    if (!other || other.outerHTML === part.dataset.html) continue;
    if (part.dataset.html === undefined && other.innerHTML === part.innerHTML) continue;
    const focused = part.contains(document.activeElement) ? document.activeElement.id : null;
    const opened = new Set([...part.querySelectorAll("details[open][id]")].map((details) => details.id));
    const checked = [...part.querySelectorAll("input:checked[id]")].map((input) => input.id);
    const html = other.outerHTML;
    keepDrawings(part, other);
    part.replaceWith(other);
    other.dataset.html = html;
    for (const details of other.querySelectorAll("details[id]")) details.open ||= opened.has(details.id);
    for (const id of checked) other.querySelector(`[id="${id}"]`)?.setAttribute("checked", "");
    if (focused) document.getElementById(focused)?.focus();
    other.dispatchEvent(new Event("exchanged", { bubbles: true }));
  }
}

// Moves each drawing to the new part until it is redrawn, so that the page does not flicker or jump.
function keepDrawings(part, other) {
  const drawn = new Map();
  for (const figure of part.querySelectorAll("figure[data-figure]")) drawn.set(addressOf(figure), figure);
  for (const figure of other.querySelectorAll("figure[data-figure]")) {
    const kept = drawn.get(addressOf(figure));
    if (!kept) continue;
    for (const { name, value } of figure.attributes) kept.setAttribute(name, value);
    figure.replaceWith(kept);
  }
}

const addressOf = (figure) => figure.dataset.figure.split("?")[0];

function report(message) {
  let line = document.getElementById("connection");
  if (!line) {
    line = document.createElement("p");
    line.id = "connection";
    line.className = "notice";
    line.setAttribute("role", "status");
    document.getElementById("content").prepend(line);
  }
  line.textContent = message;
  line.hidden = !message;
}

for (const part of document.querySelectorAll("[data-every]")) {
  setInterval(() => document.hidden || refresh(), Number(part.dataset.every));
}

// Follows the events while the page has `data-events`, also if it gets the attribute only later (a retried job). Connects
// again if the browser has given up, which it does for good when a proxy answers in the service's place.
function follow() {
  const followed = document.querySelector("[data-events]");
  if (!followed) {
    source?.close();
    clearInterval(silence);
    source = silence = null;
    return;
  }
  silence ??= setInterval(() => document.hidden || refresh().then(follow), LONGEST_SILENCE_MS);
  if (source && source.readyState !== EventSource.CLOSED) return;
  source = new EventSource(followed.dataset.events);
  for (const kind of [...followed.dataset.kinds.split(" "), "message", "open", "error"]) {
    source.addEventListener(kind, refresh);
  }
}

// Shows the changes of another script at once.
document.addEventListener("stale", refresh);
follow();
