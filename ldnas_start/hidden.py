"""Reports a module of another project that has the name of one of our packages, and so hides it.

Python would say only `No module named 'service.client'`. The installation has a `.pth` file, by which Python imports
this module at its start, so that the message is there before anything of ldnas can be imported. It imports little,
because every program of the environment pays for it.
"""

import os
import sys
from importlib.machinery import PathFinder

TYPE_CHECKING = False  # `typing` would be one more import
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType

PACKAGES = ("ldnas", "service", "worker")

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def hiding(package: str) -> "str | None":
    """The file or folder of another project that was imported under the name of our package, or None."""
    module = sys.modules.get(package)
    if module is None:
        return None
    folders = [os.path.realpath(folder) for folder in getattr(module, "__path__", ())]
    if os.path.realpath(os.path.join(_ROOT, package)) in folders:
        return None
    return getattr(module, "__file__", None) or next(iter(folders), None)


def report(package: str, hidden_by: str) -> str:
    """The sentence for a user whose module hides our package."""
    return (
        f"{hidden_by} hides the package {package!r} of ldnas in {_ROOT}; rename it, or remove its folder from the "
        "module search path (python -P, PYTHONPATH)"
    )


class HidingModules:
    """The first entry of `sys.meta_path`: lets a module that hides one of our packages be asked for submodules.

    Without `__path__` Python refuses `service.client` by itself ("'service' is not a package"), and asks no entry of
    `sys.meta_path`. An empty one finds nothing, so `HiddenPackages` is asked.
    """

    @staticmethod
    def find_spec(
        name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        """The spec of a module that gets an empty `__path__` when it was executed; None for others."""
        if name not in PACKAGES:
            return None
        # Not the other entries of `sys.meta_path`: one that asks all of them as well would never come to an end.
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.submodule_search_locations is not None or spec.loader is None:
            return None
        _open(spec.loader)
        return spec


def _open(loader: "Loader") -> None:
    """Lets a loader give a module that hides one of our packages an empty `__path__`; others may share the loader."""
    execute = getattr(loader, "exec_module", None)
    if execute is None:  # a loader of before Python 3.4
        return

    def exec_module(module: "ModuleType") -> None:
        execute(module)
        if module.__name__ in PACKAGES and not hasattr(module, "__path__"):
            module.__path__ = []

    try:
        loader.exec_module = exec_module  # type: ignore[method-assign]
    except AttributeError:  # a loader written in C, whose module is left as it is
        return


class HiddenPackages:
    """The last entry of `sys.meta_path`: Python asks it for modules that no other entry has found."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        """Refuses a module that exists in our package, if another package with its name was imported.

        Raises:
            ModuleNotFoundError: with the file that hides the package.
        """
        package, _, rest = name.partition(".")
        if rest and package in PACKAGES and _is_ours(name):
            hidden_by = hiding(package)
            if hidden_by is not None:
                raise ModuleNotFoundError(f"No module named {name!r}: {report(package, hidden_by)}", name=name)


def _is_ours(name: str) -> bool:
    place = os.path.join(_ROOT, *name.split("."))
    return os.path.isdir(place) or os.path.isfile(place + ".py")


if HiddenPackages not in sys.meta_path:
    sys.meta_path.insert(0, HidingModules)
    sys.meta_path.append(HiddenPackages)
