"""An installation of the wheel in a virtual environment of its own, outside the source tree."""

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
FLOORS = ("ldnas", "worker", "service", "migrations", "ldnas_start")
# Variables about the tests' own interpreter, which do not hold in another installation.
_OWN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Installation:
    """A virtual environment that has the wheel."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def ldnas(self) -> Path:
        return self.folder / "bin" / "ldnas"

    @property
    def site_packages(self) -> Path:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return self.folder / "lib" / version / "site-packages"

    def environment(self, changes: Mapping[str, str]) -> dict[str, str]:
        """The variables of a process in it."""
        kept = {name: value for name, value in os.environ.items() if name not in _OWN}
        return {**kept, "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}", **changes}

    def run(
        self, *command: str | Path, cwd: Path, seconds: float = 120, **changes: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in a folder, which should not be that of the sources."""
        return subprocess.run(
            command, cwd=cwd, env=self.environment(changes), capture_output=True, text=True, timeout=seconds
        )


def build_wheel(folder: Path) -> Path:
    """The project's wheel, built as `pip install` builds it."""
    pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(folder: Path, *arguments: str) -> Installation:
    """A new virtual environment into which pip installs the arguments, in the tested versions."""
    venv.create(folder, with_pip=False)
    installation = Installation(folder)
    python = ["--python", str(installation.python)]
    pip(*python, "install", "--constraint", str(ROOT / "constraints.txt"), *arguments)
    return installation


def install_sharing_dependencies(folder: Path, wheel: Path) -> Installation:
    """The wheel in a virtual environment that takes everything else from the one that runs the tests.

    The environment's folder stands at the end of the path, as a line in a `.pth` file. Python does not read the `.pth`
    files of such a folder, and so not the one by which an editable installation leads to the source tree.
    """
    installation = install(folder, "--no-deps", "--no-index", str(wheel))
    folders = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (installation.site_packages / "dependencies.pth").write_text("\n".join(sorted(folders)) + "\n")
    return installation


def pip(*arguments: str) -> str:
    """What pip prints; it is the one of the tests' environment."""
    command: Sequence[str] = (sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments)
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
