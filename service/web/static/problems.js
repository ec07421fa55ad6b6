// Refusals of the API in words, next to what caused them.

// The problem document of an answer; an answer without one (a proxy's page) becomes a small one.
export function problemOf(status, text) {
  try {
    const document = JSON.parse(text);
    if (document && typeof document.detail === "string") return { errors: [], ...document };
  } catch {
    // not from the service itself
  }
  return { status, detail: status ? `The service answers ${status}.` : "The service does not answer.", errors: [] };
}

// Everything that the problem says, as elements; of many errors the first.
export function wordsOf(problem, shown = 8) {
  const parts = [line(problem.detail)];
  const others = problem.errors.filter(({ message }) => message !== problem.detail);
  // Where the detail is all errors in a row, the list says it better.
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
  link.href = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
  const words = element("p", "");
  words.append(link);
  return words;
}

export function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}
