"""The page of the HTTP API, generated from its OpenAPI document."""

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

from docs.reference.markdown import NOTE, joined, table
from service.app import create_app
from worker.settings import Settings

Json = Mapping[str, Any]

_BOUNDS = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}


def api_page() -> str:
    """Lists every operation and every body."""
    with tempfile.TemporaryDirectory() as home:
        document = create_app(Settings.from_environment({"LDNAS_HOME": home})).openapi()
    schemas: Json = document["components"]["schemas"]
    return NOTE + joined(
        [
            "# HTTP API",
            "The running service has this reference at `/docs`, with the fields of every answer, and for programs at "
            "`/openapi.json`. Bodies are JSON unless another type is given; refusals are problem documents (RFC 9457). "
            "Brackets contain the required scope of the [key](../how-to/keys.md).",
            *(part for tag, operations in _by_tag(document["paths"]).items() for part in _group(tag, operations)),
            "## Bodies",
            *(part for name in sorted(schemas) for part in _schema(name, schemas[name])),
        ]
    )


def _by_tag(paths: Json) -> dict[str, list[tuple[str, str, Json]]]:
    groups: dict[str, list[tuple[str, str, Json]]] = {}
    for path, operations in paths.items():
        for method, operation in operations.items():
            groups.setdefault(operation.get("tags", ["other"])[0], []).append((method.upper(), path, operation))
    return groups


def _group(tag: str, operations: list[tuple[str, str, Json]]) -> Iterator[str]:
    yield f"## {tag}"
    for method, path, operation in operations:
        scopes = {scope for way in operation.get("security", ()) for asked in way.values() for scope in asked}
        yield f"### `{method} {path}`"
        yield f"{operation.get('summary', '')} [{', '.join(sorted(scopes)) or 'open'}]"
        yield operation.get("description", "")
        yield table(
            ("parameter", "where", ""),
            [
                (
                    f"`{parameter['name']}`",
                    parameter["in"] + (", required" if parameter.get("required") else ""),
                    _described(parameter["schema"], parameter.get("description", "")),
                )
                for parameter in operation.get("parameters", ())
            ],
        )
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            yield f"Body: `{kind}`, {_type(content['schema'])}"
        answers = ", ".join(_answer(status, answer) for status, answer in operation["responses"].items())
        yield f"Answers: {answers}."


def _answer(status: str, response: Json) -> str:
    types = [_type(content["schema"]) for content in response.get("content", {}).values() if content.get("schema")]
    bodies = sorted({kind for kind in types if kind.startswith("[") and not kind.startswith("[Problem]")})
    return f"{status} {' or '.join(bodies)}".strip()


def _schema(name: str, schema: Json) -> Iterator[str]:
    required = set(schema.get("required", ()))
    rows = [
        (f"`{field}`", "required" if field in required else "", _described(about, about.get("description", "")))
        for field, about in schema.get("properties", {}).items()
    ]
    yield f"### {name}"
    yield schema.get("description", "")
    yield table(("field", "", ""), rows) or _type(schema)
    for example in schema.get("examples", ()):
        yield f"```json\n{json.dumps(example, indent=2, ensure_ascii=False)}\n```"


def _described(schema: Json, description: str) -> str:
    default = f", by default `{json.dumps(schema['default'])}`" if schema.get("default") is not None else ""
    return f"{_type(schema)}{default}{': ' if description else ''}{description}"


def _type(schema: Json) -> str:
    """Describes the values of a JSON schema in words; a named schema becomes a link to it."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{re.sub(r'[^a-z0-9_-]', '', name.lower())})"
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return " or ".join(_type(option) for option in schema[choice])
    if "const" in schema or "enum" in schema:
        return " or ".join(f"`{json.dumps(value)}`" for value in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type", "any value")
    if kind == "array":
        return f"a list of {_type(schema.get('items', {}))}"
    limits = [f"{word} {schema[name]:g}" for name, word in _BOUNDS.items() if name in schema]
    return " ".join([str(kind), *limits])
