"""Small parts of a Markdown page."""

from collections.abc import Iterable, Sequence

NOTE = "<!-- Made from the code by `make reference`; a test compares it. Change the code. -->\n\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, or nothing where it has no rows."""
    lines = [" | ".join(cell(text) for text in row) for row in rows]
    if not lines:
        return ""
    return "\n".join(f"| {line} |" for line in (" | ".join(head), " | ".join("---" for _ in head), *lines)) + "\n"


def cell(text: str) -> str:
    """Text within one cell."""
    return " ".join(text.split()).replace("|", "\\|")


def joined(parts: Iterable[str]) -> str:
    """Parts with an empty line between them; those without text are left out."""
    return "\n\n".join(part.strip("\n") for part in parts if part.strip()) + "\n"
