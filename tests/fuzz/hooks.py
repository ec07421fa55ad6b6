"""Additions for Schemathesis to the document: the ids that exist, and one more check.

Schemathesis imports this module; the environment variable `FUZZ_KNOWN` names a JSON file with the known values of path
parameters and body fields.
"""

import json
import os
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis.core.failures import Failure

PAGES = {("GET", "/login"), ("HEAD", "/login")}
"""For people, and so not in the document."""


@schemathesis.hook
def before_load_schema(context: schemathesis.HookContext, raw_schema: dict[str, Any]) -> None:
    """Every other value of a known parameter or field shall be one that exists; all others stay possible."""
    known = json.loads(Path(os.environ["FUZZ_KNOWN"]).read_text(encoding="utf-8"))
    for operations in raw_schema["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                if parameter["name"] in known["parameters"]:
                    parameter["schema"] = _or_one_of(known["parameters"][parameter["name"]], parameter["schema"])
    for schema in raw_schema["components"]["schemas"].values():
        properties = schema.get("properties", {})
        for field in known["fields"].keys() & properties.keys():
            properties[field] = _or_one_of(known["fields"][field], properties[field])


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    """Whole numbers as such: to JSON Schema 3.0 is an integer, and the service takes it for a slip on purpose."""
    return _whole(body)


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: schemathesis.Case) -> bool:
    """Skips the cases in which an answer is not a fault.

    An unknown header: a proxy may add some (RFC 9110, section 5.1). A method that the document leaves out, where a page
    of the dashboard has the address of the operation.
    """
    unknown = any(name.lower().startswith("x-schemathesis-unknown") for name in case.headers or ())
    return not unknown and (case.method, case.path) not in PAGES


@schemathesis.check
def refusals_are_of_meaning(ctx: schemathesis.CheckContext, response: Any, case: schemathesis.Case) -> None:
    """A request that fits the document is never refused for its form.

    No schema can know whether a dataset lies where a request says, so 422 is accepted for it; the code of a refusal by
    form is `invalid_request`, and the document should not have allowed a request that it refuses.
    """
    mode = case.meta.generation.mode if case.meta is not None else None
    if response.status_code == 422 and mode is not None and mode.is_positive:
        problem = json.loads(response.content)
        if problem["code"] == "invalid_request":
            raise Failure(
                operation=case.operation.label,
                title="The document allows what the service refuses by its form",
                message=json.dumps(problem["errors"]),
            )


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _whole(inner) for key, inner in value.items()}
    return [_whole(inner) for inner in value] if isinstance(value, list) else value


def _or_one_of(values: list[str], schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [{"type": "string", "enum": values}, schema]}
