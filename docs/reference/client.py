"""The page of the Python client."""

import inspect
import re
from collections.abc import Callable
from typing import Any

import service.client
import service.client.errors
from docs.reference.markdown import NOTE, joined
from service.client import Client
from service.client.submission import Submission, SubmissionGroup

_SECTION = re.compile(r"(Args|Attributes|Raises|Returns):")


def client_page() -> str:
    """The client's methods, and what its requests return."""
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
            "## Errors",
            f"Of `service.client.errors`. {opening}\n\n```text\n{tree.strip()}\n```",
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
    """Its call as it would be written, one argument a line where it is long; types without the names of modules."""
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
    return re.sub(r"\b(?:[A-Za-z_]\w*\.)+(?=[A-Za-z])", "", text)


def _place(method: Callable[..., Any]) -> tuple[bool, str, int]:
    """Where it stands: what the class itself has comes first."""
    file = method.__code__.co_filename.rpartition("/")[2]
    return file not in ("client.py", "submission.py"), file, method.__code__.co_firstlineno


def _prose(docstring: str) -> str:
    """A docstring with its sections as lists."""
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
