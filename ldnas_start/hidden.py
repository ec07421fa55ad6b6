"""Reports a module of another project that has the name of one of our packages, and so hides it.

Python would say only `No module named 'service.client'`. The installation has a `.pth` file, by which Python imports
this module at its start, so that the message is there before anything of ldnas can be imported. It imports nothing but
`sys` and `os`, because every program of the environment pays for it.
"""

import os
import sys

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
    sys.meta_path.append(HiddenPackages)
