"""Everything that the documents name exists."""

import re
from pathlib import Path

import pytest

from tests.documentation.pages import ROOT, name_of, pages
from worker.variables import VARIABLES


def test_every_environment_variable_that_the_code_reads_is_in_the_table_of_settings() -> None:
    sources = [path for floor in ("ldnas", "worker", "service") for path in (ROOT / floor).rglob("*.py")]
    sources.remove(ROOT / "worker" / "variables.py")
    read = {name for path in sources for name in re.findall(r'"(LDNAS_[A-Z_]+)"', path.read_text(encoding="utf-8"))}
    # Only a supervisor sets these, for its children.
    assert read - {"LDNAS_EXIT_WITH_PARENT", "LDNAS_SIGN_OF_LIFE_FD"} == {variable.name for variable in VARIABLES}


def test_nothing_waits_to_be_filled_in() -> None:
    assert [name_of(page) for page in pages() if "@@" in page.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_link_leads_to_a_file_and_to_a_heading_in_it(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in (*re.findall(r"\]\(([^)\s]+)\)", text), *re.findall(r'(?:src|href)="([^"]+)"', text)):
        if link.startswith("http"):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place) if place else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def anchors(page: Path) -> set[str]:
    """The names that a page's headings have in links, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_test_that_is_said_to_show_a_defence_exists() -> None:
    operations = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+\.py|…)(?:::(test_\w+))?`", operations)
    assert len(named) > 20
    sources: dict[str, str] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):  # several floors may have a file of one name
        sources[path.name] = sources.get(path.name, "") + path.read_text(encoding="utf-8")
    file = ""
    for place, name in named:
        file = file if place == "…" else place
        assert file in sources
        assert not name or f"def {name}(" in sources[file], name
