"""What the documents promise is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_environment_variable_that_the_code_reads_is_in_the_readme() -> None:
    sources = [path for floor in ("ldnas", "worker", "service") for path in (ROOT / floor).rglob("*.py")]
    read = {name for path in sources for name in re.findall(r'"(LDNAS_[A-Z_]+)"', path.read_text(encoding="utf-8"))}
    assert "LDNAS_HOME" in read
    # How a supervisor tells its children to end with it is between the two.
    assert read - {"LDNAS_EXIT_WITH_PARENT"} == set(re.findall(r"`(LDNAS_[A-Z_]+)`", README))


def test_nothing_in_the_readme_waits_to_be_filled_in() -> None:
    assert "@@" not in README


def test_every_file_that_the_readme_links_to_exists() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


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
