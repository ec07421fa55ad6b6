"""A module of another project that hides one of our packages is named, in programs and for `ldnas`."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
# As the `.pth` file of an installation does it, and as the script of the entry point.
CLIENT = "import ldnas_start.hidden; from service.client import Client"
COMMAND = "from ldnas_start.command import main; main()"


def last_line(code: str, hiding: Path, *arguments: str) -> str:
    """The last line of a program whose path begins with the folder of another project."""
    path = [str(hiding), str(ROOT)]
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path[:0] = {path}; {code}", *arguments],
        capture_output=True,
        text=True,
        cwd=hiding,
        timeout=60,
    )
    return (done.stderr + done.stdout).strip().splitlines()[-1]


def test_a_package_of_another_project_that_hides_the_client_is_named(tmp_path: Path) -> None:
    own = tmp_path / "service" / "__init__.py"
    own.parent.mkdir()
    own.touch()
    said = last_line(CLIENT, tmp_path)
    assert said.startswith("ModuleNotFoundError: No module named 'service.client': ")
    assert f"{own} hides the package 'service' of ldnas in {ROOT}; rename it" in said


def test_a_module_that_hides_the_client_is_named_and_works_as_before(tmp_path: Path) -> None:
    own = tmp_path / "service.py"
    own.write_text("VALUE = 1\nif __name__ == '__main__':\n    print('ran')\n")
    said = last_line(CLIENT, tmp_path)
    assert said.startswith("ModuleNotFoundError: No module named 'service.client': ")
    assert f"{own} hides the package 'service' of ldnas in {ROOT}; rename it" in said
    start = "import ldnas_start.hidden"
    assert last_line(f"{start}, service, inspect; print(service.VALUE, inspect.getsource(service)[:9])", tmp_path) == (
        "1 VALUE = 1"
    )
    assert (
        last_line(f"{start}, runpy; runpy.run_module('service', run_name='__main__', alter_sys=True)", tmp_path)
        == "ran"
    )
    assert last_line(f"{start}, service.missing", tmp_path) == "ModuleNotFoundError: No module named 'service.missing'"


def test_an_entry_that_asks_all_others_comes_to_an_end(tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text("VALUE = 1\n")
    code = """
import ldnas_start.hidden
class Asking:
    def find_spec(name, path=None, target=None):
        found = (entry.find_spec(name, path, target) for entry in sys.meta_path if entry is not Asking)
        return next((spec for spec in found if spec is not None), None)
sys.meta_path.insert(0, Asking)
import service
print(service.VALUE)
"""
    assert last_line(code, tmp_path) == "1"


def test_modules_of_another_project_find_their_own_mistakes_as_before(tmp_path: Path) -> None:
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "__init__.py").touch()
    said = last_line("import ldnas_start.hidden, service.missing", tmp_path)
    assert said == "ModuleNotFoundError: No module named 'service.missing'"


@pytest.mark.parametrize("name", ["service", "worker"])
def test_the_command_names_the_module_that_hides_a_package(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").touch()
    said = last_line(COMMAND, tmp_path, "--help")
    assert said.startswith(f"ldnas: {tmp_path / name}.py hides the package {name!r} of ldnas in {ROOT}; rename it")


def test_the_command_names_the_module_that_hides_one_of_python(tmp_path: Path) -> None:
    (tmp_path / "dataclasses.py").touch()
    said = last_line(COMMAND, tmp_path, "--help")
    assert said.startswith(f"ldnas: {tmp_path / 'dataclasses.py'} hides the module 'dataclasses' of Python; rename it")


def test_a_folder_without_init_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "worker").mkdir()
    assert last_line(f"{CLIENT}; print(Client.__name__)", tmp_path) == "Client"
