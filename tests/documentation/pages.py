"""The documents and what stands in their code blocks.

A fenced block of `bash` or `python` is run by `test_running.py`, unless an HTML comment in front of it says why not:

    <!-- not run: needs a Docker engine -->

A second kind of comment behind a block is run after it and not shown: `<!-- then: test -s network.py -->`.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parent.parent.parent

RUN = ("bash", "python")
# Shown, and at most read: what a command prints, a body, a file.
SHOWN = ("text", "json", "yaml", "nginx", "mermaid")

REASONS = {
    "it installs": "tests/packaging installs",
    "it runs for long": "a target of the Makefile or a command that has a test of its own",
    "needs a Docker engine": "tests/deployment runs the services of the compose file without one",
    "needs a Kubernetes cluster": "tests/deployment compares the objects with their schemas and with the compose file",
    "needs the internet": "a host elsewhere",
    "needs PostgreSQL": "its programs, and a server",
    "needs other machines": "hosts that a test does not have",
    "needs a GPU": "a device that a test does not have",
    "needs data with these classes": "tests/service/test_known_classes.py asks for such labels",
    "needs scans with more than 8 bits": "tests/ldnas/data/test_value_range.py draws such images",
}
"""Why a block may be left out, and what stands in for running it."""


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: str
    line: int
    language: str
    text: str
    reason: str | None
    then: str | None

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def is_run(self) -> bool:
        return self.language in RUN and self.reason is None


def pages() -> tuple[Path, ...]:
    """Every document for people, in the order in which they are run.

    The tutorial comes first, for others use the network that it finds, and last what closes the service.
    """
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return tuple(sorted(found, key=lambda path: (path.name != "tutorial.md", path.name == "keys.md")))


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@cache
def blocks(page: Path) -> tuple[Block, ...]:
    """The fenced blocks of a page, in their order."""
    tokens = MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8"))
    before = [None, *tokens[:-1]]
    after = [*tokens[1:], None]
    found = []
    for token, earlier, later in zip(tokens, before, after, strict=True):
        if token.type == "fence":
            assert token.map is not None
            found.append(
                Block(
                    page=name_of(page),
                    line=token.map[0] + 1,
                    language=token.info.strip(),
                    text=token.content,
                    reason=_comment(earlier, "not run"),
                    then=_comment(later, "then"),
                )
            )
    return tuple(found)


def all_blocks() -> tuple[Block, ...]:
    return tuple(block for page in pages() for block in blocks(page))


def _comment(token: object, kind: str) -> str | None:
    content = getattr(token, "content", "") if getattr(token, "type", "") == "html_block" else ""
    found = re.fullmatch(rf"<!-- {kind}: (.+?) -->\s*", content, re.DOTALL)
    return found[1] if found else None
