"""Output on terminals that cannot show every character, for example with `PYTHONIOENCODING=ascii`."""

import codecs
import io
import sys
from collections.abc import Iterable
from typing import Any

_HANDLER = "ldnas.plain"
_PLAIN = {
    "…": "...",
    "→": "->",
    "–": "-",
    "—": "-",
    "−": "-",
    "×": "x",
    "·": "*",
    "±": "+/-",
    "≥": ">=",
    "≤": "<=",
    "’": "'",
    "“": '"',
    "”": '"',
    "✓": "v",
    "✗": "x",
    "α": "alpha",
    "ε": "epsilon",
    "σ": "sigma",
    "\N{NO-BREAK SPACE}": " ",
}


def show_every_character(streams: Iterable[Any] | None = None) -> None:
    """Makes standard output and error write a plain form of characters that their encoding lacks.

    Without this, such a character ends the command with a UnicodeEncodeError. Characters without a plain form are
    written as Python's escapes: `\\xf6`, and `\\udcff` for a byte of a file name that is not in UTF-8.
    """
    codecs.register_error(_HANDLER, _plain)
    for stream in (sys.stdout, sys.stderr) if streams is None else streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def shows_unicode(stream: Any) -> bool:
    """Whether the encoding of a text stream has every character."""
    return str(getattr(stream, "encoding", None) or "").lower().startswith("utf")


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    text = "".join(_PLAIN.get(character) or _escaped(character) for character in lacking)
    return text, error.end


def _escaped(character: str) -> str:
    return "*" if "\u2800" <= character <= "\u28ff" else ascii(character)[1:-1]  # those of Rich's spinners
