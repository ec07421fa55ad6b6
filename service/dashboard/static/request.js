// Builds the body of `POST /v1/recommendations` from the form, without hidden and empty fields.
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

export function bodyOf(form, { labels, baselines }) {
  const body = {};
  for (const input of form.querySelectorAll("[data-path]")) {
    if (input.closest("[hidden]")) continue;
    const value = valueOf(input);
    if (value !== undefined) put(body, input.dataset.path.split("."), value);
  }
  // The service refuses a chosen budget without a value, and labels without a group.
  if (chosen(form, "budget") !== "none") body.budget ??= {};
  if (labels) body.labels = { groups: labels, ...body.labels };
  if (baselines) body.baselines = baselines;
  return body;
}

// The value of the chosen radio button.
export function chosen(form, name) {
  return form.elements[name]?.value;
}

function valueOf(input) {
  if (input.dataset.kind === "flag") {
    return input.checked === (input.dataset.default === "yes") ? undefined : input.checked;
  }
  if (input.dataset.kind === "several") {
    // All of them are the default. The service's message explains that at least one is needed.
    const boxes = [...input.querySelectorAll("input")];
    return boxes.every((box) => box.checked) ? undefined : boxes.filter((box) => box.checked).map((box) => box.value);
  }
  const text = input.value.trim();
  if (!text) return undefined;
  if (input.dataset.kind === "numbers") return text.split(",").map((part) => numberOf(part.trim(), 1));
  return input.dataset.kind === "number" ? numberOf(text, Number(input.dataset.scale)) : text;
}

// Text that is not a number is sent unchanged, so that the service's message explains the expected number.
function numberOf(text, scale) {
  const number = NUMBER.test(text) ? Number(text) : NaN;
  if (!Number.isFinite(number)) return text;
  return scale === 1 ? number : Number((number * scale).toPrecision(12));
}

function put(body, [name, ...rest], value) {
  if (rest.length) put((body[name] ??= {}), rest, value);
  else body[name] = value;
}

// A label in quotes and the blanks up to the comma, or all text up to the comma: the rule of `ldnas … --group`.
const LABEL = /\s*"((?:[^"]|"")*)"\s*(?=,|$)|([^,]+)/g;

// Lines of labels as groups. Every label is a text; the service finds the class that it means.
export function groupsOf(lines) {
  const groups = lines.split("\n").map((line) => [...line.matchAll(LABEL)].map(labelOf).filter((label) => label !== ""));
  return groups.filter((group) => group.length);
}

function labelOf([, quoted, plain]) {
  return plain === undefined ? quoted.replaceAll('""', '"') : plain.trim();
}
