"""The page of the Python client."""

import inspect
import re
from collections.abc import Callable
from typing import Any

import service.client
import service.client.errors
from docs.reference.markdown import NOTE, joined
from service.client import Client
from service.client.documents import Architecture, Recommendation
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
            "The methods return the [API's bodies](api.md#bodies) as frozen models of pydantic. Each field is an "
            "attribute: a list is a tuple, a time is a `datetime`, and an object is a model, or a dict where its "
            "fields depend on the data. A field that the service did not send is None; a value of another type than "
            "expected is passed on unchanged. `document.json` is exactly what the service sent, and "
            '`document["field"]` a part of it.',
            *(
                part
                for kind in (Recommendation, Architecture)
                for part in _method(f"{kind.__name__}.load_network", kind.load_network)
            ),
            "## Errors",
            f"From `service.client.errors`. {opening}\n\n```text\n{tree.strip()}\n```",
        ]
    )


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
