"""The page about the architecture names only what exists, and every folder of the product."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_every_named_file_and_folder_exists() -> None:
    named = set(re.findall(r"`([a-z_]+/[a-z_/.0-9]*)`", PAGE))
    assert len(named) > 40
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_every_folder_with_code_is_named() -> None:
    code = (path for floor in ("ldnas", "worker", "service") for path in (ROOT / floor).rglob("*.py"))
    folders = {f"{path.parent.relative_to(ROOT)}/" for path in code}
    assert sorted(folders - set(re.findall(r"`([a-z_/]+/)`", PAGE))) == []


def test_every_named_process_can_be_started() -> None:
    modules = re.findall(r"<br>((?:service|worker)[a-z_.]+)", PAGE)
    assert len(modules) == 5
    for module in modules:
        path = ROOT / Path(*module.split(".")).with_suffix(".py")
        assert '__name__ == "__main__"' in path.read_text(encoding="utf-8")
