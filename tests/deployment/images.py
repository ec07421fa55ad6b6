"""The distributions that an image's Dockerfile installs, according to the packages of this environment."""

import re
import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deployment.compose import ROOT

_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
_OURS = {"ldnas", "worker", "service", "migrations", "ldnas_start"}


def extras_of(dockerfile: str) -> tuple[str, ...]:
    """The extras of this project that the image installs."""
    (extras,) = re.findall(r'pip install [^\n]*"\.\[([\w,]+)\]"', (ROOT / dockerfile).read_text(encoding="utf-8"))
    return tuple(extras.split(","))


def distributions(dockerfile: str) -> frozenset[str]:
    """The names of every distribution in the image, those that others bring included."""
    return distributions_of(*extras_of(dockerfile))


def _only_with(extra: str, text: str) -> str:
    """The requirement with the extra as one more condition."""
    requirement, condition = Requirement(text), f'extra == "{extra}"'
    requirement.marker = Marker(condition if requirement.marker is None else f"({requirement.marker}) and {condition}")
    return str(requirement)


@cache
def distributions_of(*extras_of_ldnas: str) -> frozenset[str]:
    """The names of every distribution that this project brings with these extras."""
    found: set[str] = set()
    waiting = [("ldnas", ""), *(("ldnas", extra) for extra in extras_of_ldnas)]
    seen: set[tuple[str, str]] = set()
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        found.add(name)
        for text in _requirements(name):
            wanted = Requirement(text)
            if wanted.marker is None or wanted.marker.evaluate({"extra": extra}):
                needed = canonicalize_name(wanted.name)
                waiting += [(needed, part) for part in ("", *wanted.extras)]
    return frozenset(found)


def _requirements(name: str) -> list[str]:
    if name == "ldnas":
        # From the file: the metadata of the installed project may be older.
        extras = _PROJECT["optional-dependencies"].items()
        return [*_PROJECT["dependencies"], *(_only_with(extra, text) for extra, texts in extras for text in texts)]
    try:
        return requires(name) or []
    except PackageNotFoundError:  # for another Python or platform than this one
        return []


@cache
def absent_modules(dockerfile: str) -> frozenset[str]:
    """The modules of this environment that the image does not have."""
    present = distributions(dockerfile)
    return frozenset(
        module
        for module, owners in packages_distributions().items()
        if module not in _OURS and not {canonicalize_name(owner) for owner in owners} & present
    )
