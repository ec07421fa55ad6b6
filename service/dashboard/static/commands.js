// The request as a shell command and as Python.
//
// Both omit the key and the secret of a webhook, which the screen and the list of processes would expose.
const KEY = "LDNAS_API_KEY";
const SECRET = "LDNAS_WEBHOOK_SECRET";
const HIDDEN = "\u0001"; // the text of a request contains no control characters

// `upload` is the file uploaded in this form, as `{name, file, stated}`, or null.
export function curlOf(base, body, keyed, upload) {
  const key = keyed ? [`-H "Authorization: Bearer $${KEY}"`] : [];
  const lines = [];
  if (upload) {
    const query = new URLSearchParams(upload.stated).toString();
    const address = `${base}/v1/datasets/${upload.name}${query && `?${query}`}`;
    lines.push(["curl", ...key, "-T", quoted(`./${upload.file}`), quoted(address)].join(" "));
  }
  const parts = [
    `curl ${base}/v1/recommendations`,
    ...key,
    "-H 'Content-Type: application/json'",
    `-d ${quoted(lined(hidden(body))).replace(JSON.stringify(HIDDEN), `"'"$${SECRET}"'"`)}`,
  ];
  return [...lines, parts.join(" \\\n  ")].join("\n");
}

export function pythonOf(base, body, keyed, upload) {
  const { dataset, ...rest } = hidden(body);
  const source = dataset && Object.keys(dataset).length === 1 && dataset.uri ? dataset.uri : (dataset ?? {});
  const given = Object.entries(rest).map(([name, value]) => `    ${name}=${literal(value)},\n`);
  const client = keyed ? `Client(${literal(base)}, api_key=os.environ["${KEY}"])` : `Client(${literal(base)})`;
  return [
    ...(keyed || body.webhook?.secret ? ["import os", ""] : []),
    "from service.client import Client",
    "",
    `client = ${client}`,
    ...(upload ? [uploadCall(upload)] : []),
    `submission = client.recommend(\n    ${literal(source)},\n${given.join("")})`,
    "print(submission.id)",
    "# answer = submission.wait(progress=True)",
  ].join("\n");
}

function uploadCall({ name, file, stated }) {
  const argument = (key, value) => (key === "value_range" ? `(${value.split(",").map(Number).join(", ")})` : literal(value));
  const options = Object.entries(stated).map(([key, value]) => `, ${key}=${argument(key, value)}`);
  return `client.add_dataset(${literal(name)}, ${literal(file)}${options.join("")})`;
}

function hidden(body) {
  return body.webhook?.secret ? { ...body, webhook: { ...body.webhook, secret: HIDDEN } } : body;
}

// JSON with a line for each field of the request.
function lined(body) {
  const lines = Object.entries(body).map(([name, value]) => `  ${JSON.stringify(name)}: ${spaced(value)}`);
  return lines.length ? `{\n${lines.join(",\n")}\n}` : "{}";
}

function spaced(value) {
  if (Array.isArray(value)) return `[${value.map(spaced).join(", ")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  return `{${Object.entries(value).map(([name, part]) => `${JSON.stringify(name)}: ${spaced(part)}`).join(", ")}}`;
}

// A shell changes nothing inside single quotes; a single quote itself goes between two quoted parts.
function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

// A JSON value in Python; both languages write strings the same way.
function literal(value) {
  if (value === null) return "None";
  if (value === HIDDEN) return `os.environ["${SECRET}"]`;
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object") {
    return `{${Object.entries(value).map(([name, part]) => `${JSON.stringify(name)}: ${literal(part)}`).join(", ")}}`;
  }
  return JSON.stringify(value);
}
