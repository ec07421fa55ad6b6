"""The services of the compose file as processes of this machine.

Each gets its own command and its own environment and nothing else of this process' environment; only host names, ports
and mounted paths are replaced. A module that the service's image has not cannot be imported. Where this machine allows
it, a process sees a read-only root with its volumes and its `tmpfs` in it, and has neither capabilities nor a way to
gain any, as the file says.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tests.deployment.compose import ROOT, mounts, seconds, secret_path, tmpfs
from tests.deployment.images import absent_modules

# Folders, `--`, a command: the command, with nothing but the folders to write to.
_CLOSED = """
while [ "$1" != -- ]; do mount --bind "$1" "$1"; shift; done; shift
mount --options remount,bind,ro /
exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all "$@"
"""

# Python imports a module of this name by itself when it starts.
_WITHOUT = """
import sys


class Hiding:
    def __init__(self, finder):
        self._finder = finder

    def __getattr__(self, name):
        return getattr(self._finder, name)

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in {absent!r} else self._finder.find_spec(name, path, target)


sys.meta_path[:] = map(Hiding, sys.meta_path)
"""


def closed(command: list[str], writable: list[Path]) -> list[str]:
    """The command in a container of sorts, or as it is where this machine has no such thing to give."""
    if not can_close():
        return command
    return ["unshare", "--mount", "sh", "-ec", _CLOSED, "sh", *map(str, writable), "--", *command]


@cache
def can_close() -> bool:
    """Whether this process may make a view of the file system for others, and take their capabilities."""
    if os.geteuid() != 0:
        return False
    try:
        probe = subprocess.run(["unshare", "--mount", "setpriv", "--bounding-set=-all", "true"], capture_output=True)
    except FileNotFoundError:
        return False
    return probe.returncode == 0


class Deployment:
    """Services of a compose file whose names for hosts, ports and paths mean something on this machine.

    Args:
        compose: as loaded.
        folder: where volumes, secrets and logs are made.
        replaced: texts of the services' environments and health checks, and what stands for each here.
        code: the folder with the program.
    """

    def __init__(
        self, compose: Mapping[str, Any], folder: Path, replaced: Mapping[str, str], *, code: Path = ROOT
    ) -> None:
        self._services = compose["services"]
        self._folder = folder
        self._replaced = dict(replaced)
        self._code = code
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def volume(self, name: str) -> Path:
        """The folder that stands for a named volume."""
        return self._made("volumes", name)

    def secret(self, name: str, content: str) -> None:
        """Makes the file of a secret."""
        (self._made("secrets") / name).write_text(content)

    def secret_text(self, name: str) -> str:
        """The content of a secret's file, without the line's end."""
        return (self._made("secrets") / name).read_text().strip()

    def replace(self, there: str, here: str) -> None:
        """One more text that stands for something else here."""
        self._replaced[there] = here

    def file_of(self, module: str) -> Path:
        """Where the services' Python finds a module."""
        program = f"import {module} as module; print(module.__file__)"
        place = {"env": self._environment("worker"), "cwd": self.volume("data")}
        found = subprocess.run([sys.executable, "-c", program], **place, capture_output=True, text=True, check=True)
        return Path(found.stdout.strip())

    def run_once(self, name: str) -> int:
        """The exit status of a service that does its work and ends."""
        self.start(name)
        return self.processes.pop(name).wait(120)

    def start(self, name: str) -> None:
        """Starts a service; its output goes into its log."""
        with (self._folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                self._within(name, self._services[name]["command"]),
                env=self._environment(name),
                cwd=self.volume("data"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def is_healthy(self, name: str) -> bool:
        """The result of the service's own health check."""
        assert self.processes[name].poll() is None, f"{name} has ended: {self.log(name)}"
        kind, *test = self._services[name]["healthcheck"]["test"]
        assert kind == "CMD"
        return self.exit_status(name, [self._here(word, name) for word in test]) == 0

    def exit_status(self, name: str, command: list[str]) -> int:
        """Of a command in a service's place."""
        place = {"env": self._environment(name), "cwd": self.volume("data")}
        return subprocess.run(self._within(name, command), **place, capture_output=True).returncode

    def stop(self, name: str) -> tuple[int, float]:
        """SIGTERM, as an engine sends it; the exit status, and the part of its grace that the service took."""
        grace = seconds(self._services[name]["stop_grace_period"])
        began = time.monotonic()
        process = self.processes.pop(name)
        process.terminate()
        try:
            return process.wait(grace), (time.monotonic() - began) / grace
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait(), 1.0

    def kill(self) -> None:
        """Leaves nothing running."""
        for process in self.processes.values():
            process.kill()
            process.wait()
        self.processes.clear()

    def log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text(errors="replace")[-3000:]

    def _environment(self, name: str) -> dict[str, str]:
        own = {key: self._here(str(value), name) for key, value in self._services[name]["environment"].items()}
        outer = {
            # The variables that the Dockerfiles set, with the virtual environment in the place of the image's.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            # This machine's: the code that is tested, one thread a process.
            "PYTHONPATH": os.pathsep.join(map(str, [self._without(name), self._code])),
            "OMP_NUM_THREADS": "1",
        }
        return {**outer, **own}

    def _without(self, name: str) -> Path:
        """A folder whose `sitecustomize` hides the modules that the service's image has not."""
        dockerfile = self._services[name]["build"]["dockerfile"]
        folder = self._made("without", dockerfile)
        (folder / "sitecustomize.py").write_text(_WITHOUT.format(absent=absent_modules(dockerfile)))
        return folder

    def _here(self, text: str, name: str) -> str:
        """A text of the compose file with what stands for hosts, ports and paths here."""
        here = {**self._replaced, **self._paths(name)}
        longest_first = sorted(here, key=len, reverse=True)
        return re.sub("|".join(map(re.escape, longest_first)), lambda match: here[match[0]], text)

    def _paths(self, name: str) -> dict[str, str]:
        service = self._services[name]
        paths = {mount.target: self.volume(mount.source) for mount in mounts(service)}
        paths |= {target: self._made("tmpfs", name, target.strip("/")) for target in tmpfs(service)}
        paths |= {secret_path(secret): self._made("secrets") / secret for secret in service.get("secrets", [])}
        return {target: str(path) for target, path in paths.items()}

    def _within(self, name: str, command: list[str]) -> list[str]:
        service = self._services[name]
        assert service["read_only"] is True
        kept = [mount.target for mount in mounts(service) if not mount.read_only]
        paths = self._paths(name)
        return closed(command, [Path(paths[target]) for target in [*kept, *tmpfs(service)]])

    def _made(self, *parts: str) -> Path:
        folder = self._folder.joinpath(*parts)
        folder.mkdir(parents=True, exist_ok=True)
        return folder
