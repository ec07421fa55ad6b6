"""Idioms that the project does not write, and where prose stands: docstrings, comments, messages, templates, pages."""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

IDIOMS: dict[str, str] = {
    r"\b(told|tells?|telling)\b": "report, say, log, record, save; to tell one from the other: distinguish",
    r"\b(foretells?|foretold|foretelling)\b": "predict, forecast",
    r"\b(whoever|whosoever|who asks|who reads)\b": "the caller, the client, the process that …",
    r"\b(nobody|somebody)( else)?\b": "no process, another process, no one",
    r"\banew\b": "again, or from the start",
    r"\bbeside\b": "next to, with, alongside, in addition to",
    r"\blopsided\b": "imbalanced",
    r"\b(goes|go|went|gone|going) on\b": "resume, continue",
    r"\b(is|was|are|were|be|been) no (?!longer\b|more\b)[a-z]": "X is not Y, X has no Y, there are none",
    r"\bthere (is|was|are|were) no\b": "X does not exist, X is not installed, the file has no X",
    r"\bwhat (is|was|are|were|has been|had been)\b(?![^.;:]*\?)": "name the thing: the rows that were removed",
    r"(?-i:\bWhat) (a|an|the|it|they|every|each|has|had)\b(?![^.;:]*\?)": "begin with the thing: the files of a job",
    r"\b(looks?|looked|looking) through\b": "inspect, check, search",
    r"\bthe one look\b": "the test evaluation",
    r"\b(story|stories)\b": "history, events",
    r"\bdoorbells?\b|\brings? (for|again|twice)\b": "publish, publisher, message",
    r"\bthe books\b": "the invariants",
    r"\b(take|takes|taken|took) (it )?home\b": "download",
    r"\b(of ours|of its own making)\b": "internal, our",
    r"\bat hand\b": "available",
    r"\bfor want of\b": "because … is missing",
    r"\bthe surest\b": "the most confident",
}
"""Each idiom as a regular expression, and what the project writes instead."""

_PATTERNS = [(re.compile(pattern, re.IGNORECASE), advice) for pattern, advice in IDIOMS.items()]

NAMES = re.compile(r"(?:^|_)(told|tells?|telling|foretells?|foretold|whoever|anew|lopsided|beside)(?:_|$)")
"""Parts of a Python name that are such idioms."""


@dataclass(frozen=True)
class Passage:
    """A piece of prose, and the line on which it begins."""

    path: Path
    line: int
    text: str


@dataclass(frozen=True)
class Finding:
    """One idiom in one passage."""

    passage: Passage
    words: str
    advice: str

    def __str__(self) -> str:
        where = self.passage.path.relative_to(ROOT) if self.passage.path.is_relative_to(ROOT) else self.passage.path
        return f"{where}:{self.passage.line}: {self.words!r}; write: {self.advice}"


def findings(passages: Iterator[Passage]) -> Iterator[Finding]:
    """Every idiom in the passages."""
    for passage in passages:
        for pattern, advice in _PATTERNS:
            for match in pattern.finditer(passage.text):
                line = passage.line + passage.text.count("\n", 0, match.start())
                yield Finding(Passage(passage.path, line, passage.text), match[0], advice)


def passages_of(path: Path) -> Iterator[Passage]:
    """The prose of a file, by its kind."""
    text = path.read_text(encoding="utf-8")
    match path.suffix:
        case ".py":
            yield from _python(path, text)
        case ".md":
            yield Passage(path, 1, _without_code(text))
        case ".html":
            yield Passage(path, 1, _without_markup(text))
        case _:
            yield Passage(path, 1, text)


def names_of(path: Path) -> Iterator[Finding]:
    """Every Python name in the file with such an idiom in it; nothing for other files."""
    if path.suffix != ".py":
        return
    before = ""
    for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
        # A file's method `tell` is Python's name; a method of ours is found where it is defined.
        is_of_a_file = before == "." and token.string == "tell"
        if token.type == tokenize.NAME and not is_of_a_file and (match := NAMES.search(token.string)):
            yield Finding(Passage(path, token.start[0], token.string), token.string, f"a name without {match[1]!r}")
        before = token.string


def _python(path: Path, text: str) -> Iterator[Passage]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield Passage(path, token.start[0], token.string)
    for node in ast.walk(ast.parse(text)):
        # A string of one word is a key or a code, not prose.
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip():
            yield Passage(path, node.lineno, node.value)


def _without_code(text: str) -> str:
    """The page with fenced blocks and code spans blanked, its lines where they were."""
    blank = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
    return blank.sub(lambda match: "\n" * match[0].count("\n"), text)


def _without_markup(text: str) -> str:
    """The template with tags and expressions blanked; its comments stay."""
    blank = re.compile(r"<[^>]*>|\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
    return blank.sub(lambda match: "\n" * match[0].count("\n"), text)


if __name__ == "__main__":
    # `python -m tests.documentation.plain_english FILE …` lists the findings of these files.
    for argument in sys.argv[1:]:
        for finding in [*findings(passages_of(Path(argument).absolute())), *names_of(Path(argument).absolute())]:
            print(finding)
