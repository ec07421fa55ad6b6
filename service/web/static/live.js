// Brings a page up to date while something runs, by asking for the page itself and exchanging what has changed.
//
// A part with `data-live="NAME"` is exchanged when the page's new HTML has another content for that name; what is
// drawn in a `data-figure` is drawn anew (a query in its address that changes makes the part another).
// `data-every="MS"` on a part asks at intervals; `data-events="ADDRESS"` asks when the server-sent events there say that
// something happened, which survives a lost connection (the browser reconnects by itself, with the last event's id) and
// a restart of the service.
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
    if (answer.redirected && new URL(answer.url).pathname === "/login") location.assign(answer.url);
    else if (answer.ok) exchange(new DOMParser().parseFromString(await answer.text(), "text/html"));
    told(answer.ok ? "" : `The service answers ${answer.status}. This page keeps asking.`);
  } catch {
    told("The service does not answer. This page keeps asking.");
  } finally {
    setTimeout(goOn, SHORTEST_PAUSE_MS);
  }
  if (!silence) follow();
}

function goOn() {
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

// A drawing stays where it is until it is drawn anew, so that nothing flickers and nothing jumps.
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

function told(message) {
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

// Follows the events while the page says that there are some to come, also where it says so only later (a job that is
// tried again), and again where the browser gave up (it does so for good when a proxy answers in the service's place).
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

// What another script has just changed is to be seen at once.
document.addEventListener("stale", refresh);
follow();
