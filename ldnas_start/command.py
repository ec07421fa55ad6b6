"""The `ldnas` program. It is in a package of its own: a module `service` of another project must not hide it."""

import sys
import sysconfig
from importlib import import_module
from pathlib import Path
from types import ModuleType

from ldnas_start.hidden import PACKAGES, hiding, report


def main() -> None:
    """Runs `service.cli`; a module that hides one of our packages, or one of Python's own, is named in one sentence."""
    try:
        import_module("service.cli").main()
    except (ImportError, AttributeError):  # errors that a module with the wrong content causes
        sentence = _hidden_of_ours() or _hidden_of_python()
        if sentence is None:
            raise
        sys.exit(f"ldnas: {sentence}")


def _hidden_of_ours() -> str | None:
    found = ((package, hiding(package)) for package in PACKAGES)
    return next((report(package, hidden_by) for package, hidden_by in found if hidden_by is not None), None)


def _hidden_of_python() -> str | None:
    """The same for a module with the name of one of the standard library's."""
    own = tuple(Path(sysconfig.get_path(place)).resolve() for place in ("stdlib", "platstdlib"))
    for name in sorted(sys.stdlib_module_names & sys.modules.keys()):
        file = _file_of(sys.modules[name])
        if file is not None and not any(file.is_relative_to(folder) for folder in own):
            return f"{file} hides the module {name!r} of Python; rename it, or remove its folder from PYTHONPATH"
    return None


def _file_of(module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return None if file is None else Path(file).resolve()
