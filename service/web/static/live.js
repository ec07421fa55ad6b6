// Brings a page up to date while something runs, by asking for the page itself and exchanging what has changed.
//
// A part with `data-live="NAME"` is exchanged when the page's new HTML has another content for that name; what is
// drawn in a `data-figure` is drawn anew. `data-every="MS"` on a part asks at intervals; `data-events="ADDRESS"` asks
// when the server-sent events there say that something happened, which survives a lost connection (the browser
// reconnects by itself, with the last event's id) and a restart of the service.
const SHORTEST_PAUSE_MS = 400;
const LONGEST_SILENCE_MS = 10000;

let asking = false;
let again = false;

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
    asking = false;
  }
  if (again) {
    again = false;
    setTimeout(refresh, SHORTEST_PAUSE_MS);
  }
}

function exchange(fresh) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
    if (!other || other.outerHTML === part.dataset.html) continue;
    if (part.dataset.html === undefined && other.innerHTML === part.innerHTML) continue;
    const focused = part.contains(document.activeElement) ? document.activeElement.id : null;
    const opened = new Set([...part.querySelectorAll("details[open][id]")].map((details) => details.id));
    const html = other.outerHTML;
    part.replaceWith(other);
    other.dataset.html = html;
    for (const details of other.querySelectorAll("details[id]")) details.open ||= opened.has(details.id);
    if (focused) document.getElementById(focused)?.focus();
    other.dispatchEvent(new Event("exchanged", { bubbles: true }));
  }
}

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

// What another script has just changed is to be seen at once.
document.addEventListener("stale", refresh);

for (const part of document.querySelectorAll("[data-every]")) {
  setInterval(() => document.hidden || refresh(), Number(part.dataset.every));
}

const followed = document.querySelector("[data-events]");
if (followed) {
  const source = new EventSource(followed.dataset.events);
  for (const kind of followed.dataset.kinds.split(" ")) source.addEventListener(kind, refresh);
  source.addEventListener("message", refresh);
  source.addEventListener("open", refresh);
  // A 204 says that nothing is left to come: the browser gives up for good, and so does this page, after a last look.
  source.addEventListener("error", () => {
    refresh();
    if (source.readyState === EventSource.CLOSED) clearInterval(silence);
  });
  const silence = setInterval(() => document.hidden || refresh(), LONGEST_SILENCE_MS);
}
