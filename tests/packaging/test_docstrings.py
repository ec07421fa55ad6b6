"""Python 3.13 compiles every docstring into a text of UTF-8; earlier ones accept half of a surrogate pair in it."""

import ast

import pytest

from tests.deployment.compose import ROOT

PACKAGES = ("ldnas", "worker", "service", "migrations", "ldnas_start")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_docstring_can_be_written_as_utf_8(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, DOCUMENTED):
                try:
                    (ast.get_docstring(node) or "").encode()
                except UnicodeEncodeError as error:
                    pytest.fail(f"{path.relative_to(ROOT)}, {getattr(node, 'name', 'module')}: {error}")
