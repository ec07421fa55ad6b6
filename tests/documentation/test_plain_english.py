"""What a person reads is plain technical English: no idiom of the word list stands in prose or in names."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documentation.plain_english import IDIOMS, ROOT, Passage, findings, names_of, passages_of

FOLDERS = ("ldnas", "worker", "service", "migrations", "ldnas_start", "docs", "benchmarks", "tests")
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
KINDS = (".py", ".md", ".html", ".js")
EXCEPTIONS = (
    "docs/glossary.md",  # lists the words
    "tests/documentation/plain_english.py",
    "tests/documentation/test_plain_english.py",
    "benchmarks/results",  # stays as it was measured
)


def files(folder: str) -> list[Path]:
    found = (path for path in (ROOT / folder).rglob("*") if path.suffix in KINDS)
    return sorted(path for path in found if not any(path.is_relative_to(ROOT / name) for name in EXCEPTIONS))


def passages(paths: list[Path]) -> Iterator[Passage]:
    for path in paths:
        yield from passages_of(path)


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_idiom_stands_in_prose(folder: str) -> None:
    found = [str(finding) for finding in findings(passages(files(folder)))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("page", PAGES)
def test_no_idiom_stands_on_a_page(page: str) -> None:
    found = [str(finding) for finding in findings(passages_of(ROOT / page))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_idiom_stands_in_a_name(folder: str) -> None:
    found = [str(finding) for path in files(folder) if path.suffix == ".py" for finding in names_of(path)]
    assert not found, "\n".join(found)


PLANTED = {
    "module.py": (
        '"""Tells whoever asks what was kept."""\n'
        "x = 1  # goes on anew\n"
        'message = "there is no such file"\n'
        'key = "told"\n'
    ),
    "page.md": "The dispatcher rings for it.\n\n```bash\necho told\n```\nWhat was removed is gone. What is a lease?\n",
    "page.html": '<p class="told">{# beside the table #} The one look at test images</p>',
}
FOUND = {
    "module.py": {("Tells", 1), ("whoever", 1), ("what was", 1), ("goes on", 2), ("anew", 2), ("there is no", 3)},
    "page.md": {("rings for", 1), ("What was", 6)},
    "page.html": {("beside", 1), ("The one look", 1)},
}


@pytest.mark.parametrize("name", [*PLANTED])
def test_a_planted_sentence_is_found_and_code_is_not(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(PLANTED[name], encoding="utf-8")
    found = {(finding.words.strip(), finding.passage.line) for finding in findings(passages_of(path))}
    assert found >= FOUND[name]
    assert "told" not in {words for words, _ in found}


def test_a_planted_name_is_found(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text("def tell_state(job):\n    untold = stellar = job\n", encoding="utf-8")
    assert [finding.words for finding in names_of(path)] == ["tell_state"]


def test_every_idiom_has_an_advice() -> None:
    assert all(advice and not advice.endswith(".") for advice in IDIOMS.values())
