// Refusals of the API in words, next to the fields that caused them.
import { rootPath } from "./root_path.js";

// The problem document of an answer. For an answer without one (a proxy's page), builds a short one.
export function problemOf(status, text) {
  try {
    const document = JSON.parse(text);
    if (document && typeof document.detail === "string") return { errors: [], ...document };
  } catch {
    // not from the service itself
  }
  return { status, detail: status ? `The service answers ${status}.` : "The service does not answer.", errors: [] };
}

// The text of the problem as elements; of many errors only the first ones.
export function wordsOf(problem, shown = 8) {
  const parts = [line(problem.detail)];
  const others = problem.errors.filter(({ message }) => message !== problem.detail);
  // With several errors the detail only repeats them, so the list replaces it.
  if (others.length > 1) parts.pop();
  if (others.length > 1 || (others.length === 1 && others[0].origin)) {
    const list = document.createElement("ul");
    for (const { field, origin, message } of others.slice(0, shown)) {
      list.append(element("li", [origin ?? field, message].filter(Boolean).join(": ")));
    }
    if (others.length > shown) list.append(element("li", `and ${others.length - shown} more`));
    parts.push(list);
  }
  if (problem.status === 401) parts.push(signIn());
  return parts;
}

function line(text) {
  return element("p", /[.!?]$/.test(text) ? text : `${text}.`);
}

function signIn() {
  const link = element("a", "Sign in again");
  link.href = `${rootPath}/login?next=${encodeURIComponent(location.pathname + location.search)}`;
  const words = element("p", "");
  words.append(link);
  return words;
}

export function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

// Each error next to the field that caused it, the others in `general`; the first field gets the focus.
export function place(form, general, problem) {
  const unplaced = [];
  const touched = [];
  for (const error of problem.errors) {
    const field = fieldOf(form, error.field);
    if (!field) {
      unplaced.push(error);
      continue;
    }
    const message = error.field === "dataset" ? "Choose the images first." : error.message;
    field.querySelector(":scope > .error").append(line(message));
    const input = field.querySelector(":scope > [data-path], :scope > label > [data-path]");
    input?.setAttribute("aria-invalid", "true");
    const details = field.closest("details");
    if (details) details.open = true;
    touched.push(input ?? field.querySelector("input, select, textarea, button"));
  }
  if (unplaced.length || !touched.length) general.replaceChildren(...wordsOf({ ...problem, errors: unplaced }));
  else general.replaceChildren(element("p", "The request was not sent: see the notes above."));
  touched.sort((one, other) => (one.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1));
  touched[0]?.focus();
}

// The innermost part of the form that shows the errors of a field: those of `labels.groups[1]` belong to `labels`.
function fieldOf(form, path) {
  for (let name = path ?? ""; name; name = name.replace(/(^|\.|\[)[^.[]*$/, "")) {
    const fields = form.querySelectorAll(`[data-field="${CSS.escape(name)}"]`);
    for (const field of fields) if (!field.closest("[hidden]")) return field;
  }
  return null;
}

// Removes the errors of an edited field, or all errors.
export function forget(input = null) {
  const fields = input ? [input.closest("[data-field]")] : document.querySelectorAll("[data-field]");
  for (const field of fields) {
    if (!field) continue;
    field.querySelector(":scope > .error")?.replaceChildren();
    for (const invalid of field.querySelectorAll("[aria-invalid]")) invalid.removeAttribute("aria-invalid");
  }
}
