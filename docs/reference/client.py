"""The page of the Python client."""

import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from typing import Any

import service.client
import service.client.errors
from docs.reference.markdown import NOTE, joined
from service.client import Client, documents
from service.client.submission import Submission, SubmissionGroup

_SECTION = re.compile(r"(Args|Attributes|Raises|Returns):")


def client_page() -> str:
    """Lists the client's methods, and the documents that they return."""
    introduction, _, example = inspect.cleandoc(service.client.__doc__ or "").partition("\n\n")
    errors, _, _ = (service.client.errors.__doc__ or "").partition("\n\n\n")
    opening, _, tree = errors.partition("\n\n")
    return NOTE + joined(
        [
            "# Python client",
            introduction,
            "<!-- not run: it runs for long -->\n"
            f"```python\nfrom service.client import Client\n\n{inspect.cleandoc(example)}\n```",
            *(part for described in (Client, Submission, SubmissionGroup) for part in _class(described)),
            "## Documents",
            "The methods return frozen dataclasses with the fields of the [API's bodies](api.md#bodies). "
            '`document.json` is exactly what the service sent, and `document["field"]` a part of it; a field that the '
            "service did not send is None.",
            *(part for document in _documents() for part in _document(document)),
            "## Errors",
            f"From `service.client.errors`. {opening}\n\n```text\n{tree.strip()}\n```",
        ]
    )


def _documents() -> Iterator[type]:
    for module in pkgutil.iter_modules(documents.__path__, f"{documents.__name__}."):
        for described in vars(importlib.import_module(module.name)).values():
            if dataclasses.is_dataclass(described) and getattr(described, "__module__", "") == module.name:
                yield described  # type: ignore[misc]


def _document(described: type) -> list[str]:
    """Describes a document: its docstring, its fields with their types, and its methods."""
    fields = [
        f"{field.name}: {_type_name(field.type)}"
        for field in dataclasses.fields(described)  # type: ignore[arg-type]
        if not field.name.startswith("_")
    ]
    if not fields:
        return []
    methods = [
        _unqualified(f"{name}{inspect.signature(method)}").replace("(self, ", "(").replace("(self)", "()")
        for name, method in vars(described).items()
        if inspect.isfunction(method) and not name.startswith("_")
    ]
    return [
        f"### {described.__name__}",
        "```text\n" + "\n".join([*fields, *methods]) + "\n```",
        _prose(inspect.getdoc(described) or ""),
    ]


def _type_name(kind: Any) -> str:
    return _unqualified(kind.__name__ if isinstance(kind, type) and not hasattr(kind, "__args__") else str(kind))


def _class(described: type) -> list[str]:
    methods = [
        (name, method)
        for name, method in inspect.getmembers(described, inspect.isfunction)
        if not name.startswith("_") and method.__doc__
    ]
    methods.sort(key=lambda pair: _place(pair[1]))
    return [
        f"## {described.__name__}",
        _signature(described.__name__, described),
        _prose(inspect.getdoc(described) or ""),
        *(part for name, method in methods for part in _method(name, method)),
    ]


def _method(name: str, method: Callable[..., Any]) -> tuple[str, str, str]:
    return f"### {name}", _signature(name, method), _prose(inspect.getdoc(method) or "")


def _signature(name: str, called: Callable[..., Any]) -> str:
    """Formats the call of a method, one argument per line if it is long, and types without the names of modules."""
    signature = inspect.signature(called)
    kept = [parameter for parameter in signature.parameters.values() if parameter.name != "self"]
    returned = inspect.Signature.empty if isinstance(called, type) else signature.return_annotation
    text = name + str(signature.replace(parameters=kept, return_annotation=returned))
    if len(_unqualified(text)) > 100:
        _, _, after = text.rpartition(")")
        stars = [place for place, parameter in enumerate(kept) if parameter.kind is parameter.KEYWORD_ONLY][:1]
        lines = [f"    {parameter},\n" for parameter in kept]
        for place in stars:
            lines.insert(place, "    *,\n")
        text = f"{name}(\n{''.join(lines)}){after}"
    return f"```text\n{_unqualified(text)}\n```"


def _unqualified(text: str) -> str:
    """Removes the names of modules from types, and the quotes of forward references."""
    text = re.sub(r"(-> |: |\[)'([\w\[\], |]+)'", r"\1\2", text)
    return re.sub(r"\b(?:[A-Za-z_]\w*\.)+(?=[A-Za-z])", "", text).replace("~", "")


def _place(method: Callable[..., Any]) -> tuple[bool, str, int]:
    """The sort key of a method: methods of the class itself come first."""
    file = method.__code__.co_filename.rpartition("/")[2]
    return file not in ("client.py", "submission.py"), file, method.__code__.co_firstlineno


def _prose(docstring: str) -> str:
    """Converts a docstring to Markdown, with its sections as lists."""
    lines: list[str] = []
    in_section = False
    for line in docstring.splitlines():
        if section := _SECTION.fullmatch(line):
            in_section = True
            lines += [f"{section[1]}:", ""]
        elif in_section and line.strip():
            if re.match(r"    \S", line):
                name, colon, about = line.strip().partition(": ")
                lines.append(f"- `{name}`: {about}" if colon and "`" not in name else f"- {line.strip()}")
            else:
                lines[-1] += f" {line.strip()}" if line.startswith("     ") else f"\n\n{line.strip()}"
                in_section = line.startswith(" ")
        else:
            in_section = in_section and not line.strip()
            lines.append(line)
    return "\n".join(lines)
