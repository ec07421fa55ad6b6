"""Whether a command that a document shows is one that the program takes."""

import re
import shlex
from functools import cache
from typing import Any

import typer

from service.cli.command import app

_ASSIGNMENT = re.compile(r"\w+=")


def refused(line: str) -> str | None:
    """The error in a command line `ldnas …`, an unknown command or option, or None.

    `…` and whatever follows a command in capital letters count as arguments.
    """
    words = shlex.split(line, comments=True)
    while words and _ASSIGNMENT.match(words[0]):
        words = words[1:]
    if words[:1] != ["ldnas"]:
        return None
    command: Any = _root()
    for place, word in enumerate(words[1:], 1):
        options = {name for option in command.params for name in (*option.opts, *option.secondary_opts)} | {"--help"}
        if word.startswith("-"):
            if word.partition("=")[0] not in options and not re.fullmatch(r"-\d.*", word):
                return f"{' '.join(words[:place])} has no option {word}"
        elif getattr(command, "commands", None):
            if word not in command.commands:
                return None if word.isupper() or word == "…" else f"{' '.join(words[:place])} has no command {word}"
            command = command.commands[word]
    return None


def command_lines(shell: str) -> list[str]:
    """The simple commands of a shell text that call `ldnas`, as far as lines and `|`, `;`, `&&`, `$( )` part them."""
    joined = re.sub(r"\s*\\\n\s*", " ", shell)
    parts = re.split(r"\n|&&|\|\||[|;]|\$\(|\)\s", joined)
    stripped = (re.sub(r"\s+#.*$", "", part).strip() for part in parts)
    return [part for part in stripped if re.match(r"(\w+=\S* )*ldnas(\s|$)", part)]


@cache
def _root() -> Any:
    return typer.main.get_command(app)
