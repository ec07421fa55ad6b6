"""`/docs`: the OpenAPI document as one page, open to everyone; it fetches nothing and runs no script.

FastAPI's own page loads its script from another host. That needs a network, and the owner of that host could act here
with the session of every browser that opens the page.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response

from service.api.http.conditional import conditional_body, tag_of

router = APIRouter(include_in_schema=False)

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1c2330; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccd3dd; }
details { margin: .4rem 0; border: 1px solid #dde3ea; border-radius: 4px; padding: .3rem .7rem; }
summary { cursor: pointer; }
code, pre { font-family: ui-monospace, monospace; font-size: .9em; }
pre { background: #f4f6f9; padding: .6rem; overflow-x: auto; }
table { border-collapse: collapse; margin: .5rem 0; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; border-top: 1px solid #eef1f5; }
.method { display: inline-block; min-width: 4.2rem; font-weight: 600; }
.scope { color: #5a6577; }
"""

POLICY = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page's Content-Security-Policy: it allows its one style sheet, identified by its hash, and nothing else."""

Json = Mapping[str, Any]


def reference_page(document: Json, root_path: str = "") -> str:
    """The page for an OpenAPI 3.1 document of this service, whose paths lie below `root_path`."""
    info = document["info"]
    schemas: Json = document["components"]["schemas"]
    below = f" All paths lie below <code>{escape(root_path)}</code>." if root_path else ""
    parts = [
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{_text(info.get('summary', ''))}.</p>",
        "<p>Bodies are JSON; errors are problem documents (RFC 9457). The same document for programs: "
        f'<a href="{escape(root_path)}/openapi.json">/openapi.json</a>.{below}</p>',
        *(_scheme(name, scheme) for name, scheme in document["components"].get("securitySchemes", {}).items()),
        *(_group(tag, operations) for tag, operations in _by_tag(document["paths"]).items()),
        "<h2>Bodies</h2>",
        *(_schema(name, schema) for name, schema in sorted(schemas.items())),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])}: the API</title><style>{_STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _by_tag(paths: Json) -> dict[str, list[tuple[str, str, Json]]]:
    groups: dict[str, list[tuple[str, str, Json]]] = {}
    for path, operations in paths.items():
        for method, operation in operations.items():
            groups.setdefault(operation.get("tags", ["other"])[0], []).append((method.upper(), path, operation))
    return groups


def _scheme(name: str, scheme: Json) -> str:
    return f"<p><b>{escape(name)}</b>: {_text(scheme.get('description', ''))}</p>"


def _group(tag: str, operations: Iterable[tuple[str, str, Json]]) -> str:
    return f"<h2>{escape(tag)}</h2>" + "".join(_operation(*operation) for operation in operations)


def _operation(method: str, path: str, operation: Json) -> str:
    scopes = sorted({scope for way in operation.get("security", ()) for scopes in way.values() for scope in scopes})
    asked = ", ".join(scopes) or "open"
    body = operation.get("requestBody", {}).get("content", {})
    parts = [
        f'<summary><span class="method">{method}</span> <code>{escape(path)}</code> '
        f'{_text(operation.get("summary", ""))} <span class="scope">({asked})</span></summary>',
        f"<p>{_text(operation.get('description', ''))}</p>",
        _table(
            ("parameter", "where", "what"),
            [
                (
                    f"<code>{escape(parameter['name'])}</code>",
                    parameter["in"] + (", required" if parameter.get("required") else ""),
                    _described(parameter["schema"], parameter.get("description", "")),
                )
                for parameter in operation.get("parameters", ())
            ],
        ),
        *(f"<p>Body: <code>{escape(kind)}</code>, {_type(content['schema'])}</p>" for kind, content in body.items()),
        _table(("answer", "what", "body"), [_answer(*answer) for answer in operation["responses"].items()]),
    ]
    return f"<details>{''.join(parts)}</details>"


def _answer(status: str, response: Json) -> tuple[str, str, str]:
    bodies = [
        f"<code>{escape(kind)}</code> {_type(content.get('schema', {}))}"
        for kind, content in response.get("content", {}).items()
    ]
    return status, _text(response.get("description", "")), "<br>".join(bodies)


def _schema(name: str, schema: Json) -> str:
    required = set(schema.get("required", ()))
    rows = [
        (
            f"<code>{escape(field)}</code>",
            "required" if field in required else "",
            _described(about, about.get("description", "")),
        )
        for field, about in schema.get("properties", {}).items()
    ]
    examples = [
        f"<pre>{escape(json.dumps(example, indent=2, ensure_ascii=False))}</pre>"
        for example in schema.get("examples", ())
    ]
    kind = "" if rows else f"<p>{_type(schema)}</p>"
    return (
        f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>'
        f"<p>{_text(schema.get('description', ''))}</p>{kind}"
        f"{_table(('field', '', 'what'), rows)}{''.join(examples)}</details>"
    )


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = ["".join(f"<td>{cell}</td>" for cell in row) for row in rows]
    if not lines:
        return ""
    first = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    return f"<table><tr>{first}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _described(schema: Json, description: str) -> str:
    default = f", by default {escape(json.dumps(schema['default']))}" if schema.get("default") is not None else ""
    return f"{_type(schema)}{default}{': ' if description else ''}{_text(description)}"


def _type(schema: Json) -> str:
    """Describes the values that a JSON schema allows; a named schema becomes a link to it."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return " or ".join(_type(option) for option in schema[choice])
    if "const" in schema or "enum" in schema:
        return " or ".join(escape(json.dumps(value)) for value in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type", "any value")
    if kind == "array":
        return f"a list of {_type(schema.get('items', {}))}"
    bounds = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    limits = [f"{word} {schema[name]:g}" for name, word in bounds.items() if name in schema]
    return escape(" ".join([str(kind), *limits]))


def _text(text: str) -> str:
    """Escapes the text and renders its backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))


@router.get("/docs")
def docs(request: Request) -> Response:
    """The page; it changes only with the version."""
    app: FastAPI = request.app
    body = reference_page(app.openapi(), request.scope.get("root_path", "")).encode()
    return conditional_body(request, body, tag_of(body), "text/html", {"Content-Security-Policy": POLICY})
