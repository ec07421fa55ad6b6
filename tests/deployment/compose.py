"""The compose file as the tests read it: variables put in, short forms taken apart."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
COMPOSE_FILE = ROOT / "docker-compose.yml"

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Mount:
    """One `source:target[:ro]` of a service's volumes."""

    source: str
    target: str
    read_only: bool

    @property
    def is_named(self) -> bool:
        return not self.source.startswith((".", "/", "~"))


def load(environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The compose file with `${NAME:-default}` put in from `environ`, and each service with the build of its image."""
    compose = written(environ)
    builds = {service["image"]: service["build"] for service in compose["services"].values() if "build" in service}
    for service in compose["services"].values():
        if service["image"] in builds:
            service.setdefault("build", builds[service["image"]])
        # A variable without a value is passed on if it is set.
        given = {name: (environ or {}).get(name) if value is None else value for name, value in _variables(service)}
        service["environment"] = {name: value for name, value in given.items() if value is not None}
    return compose


def _variables(service: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return list(service.get("environment", {}).items())


def written(environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The compose file as it is written, with `${NAME:-default}` put in from `environ`."""
    given = environ or {}

    def value(match: re.Match[str]) -> str:
        return given.get(match["name"]) or match["default"]

    text = re.sub(r"\$\{(?P<name>\w+):-(?P<default>[^}]*)\}", value, COMPOSE_FILE.read_text(encoding="utf-8"))
    compose: dict[str, Any] = YAML(typ="safe").load(text)
    return compose


def seconds(duration: Any) -> float:
    """A duration of the compose specification, such as `1m30s`."""
    if not isinstance(duration, str) or not re.fullmatch(r"(\d+(\.\d+)?(us|ms|s|m|h))+", duration):
        raise ValueError(f"{duration!r} is not a duration")
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)(us|ms|s|m|h)", duration))


def mounts(service: Mapping[str, Any]) -> list[Mount]:
    parts = [text.split(":") for text in service.get("volumes", [])]
    return [Mount(source, target, options == ["ro"]) for source, target, *options in parts]


def tmpfs(service: Mapping[str, Any]) -> list[str]:
    """Where a service has a file system in memory."""
    return [text.partition(":")[0] for text in service.get("tmpfs", [])]


def secret_path(name: str) -> str:
    """Where a container finds a secret."""
    return f"/run/secrets/{name}"


def writable(service: Mapping[str, Any]) -> list[str]:
    """The folders that a service with a read-only root may write to."""
    return [mount.target for mount in mounts(service) if not mount.read_only] + tmpfs(service)


def is_below(path: str, folders: list[str]) -> bool:
    return any(Path(path).is_relative_to(folder) for folder in folders)
