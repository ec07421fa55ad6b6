"""The deployment that is broken: the compose project, with small disks for its volumes and a clock for each service.

An override file adds both. A volume is an ext4 file system in a file, since a full disk must not be the machine's. All
containers share the kernel's clock, which no container may set, and its time namespaces do not cover the time of day;
so libfaketime, which is loaded before the program, moves the clock of PostgreSQL, by which leases and delays go. The
other services keep theirs: under libfaketime 0.9.10 `time.sleep` of Python fails with EINVAL.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.compose.engine import DOCKER, Project

SERVICES = ("api", "dispatcher", "worker", "postgres", "redis")
CLOCKS = ("postgres",)
OWNERS = {"data": 10001, "database": 999}
DISK_BYTES = 700_000_000
IMAGE = "ldnas-api:0.2.0"
RECOVERY_SECONDS = 300.0


def faketime() -> Path | None:
    """libfaketime of this machine (Debian: `libfaketime`)."""
    return next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)


def restart_command() -> str | None:
    """How the engine is restarted: the shell command in `LDNAS_RESTART_ENGINE`."""
    return os.environ.get("LDNAS_RESTART_ENGINE")


class Deployment:
    """A started project.

    Attributes:
        project: its files and commands.
    """

    def __init__(self, project: Project) -> None:
        self.project = project

    def containers(self, service: str) -> list[str]:
        """The names of a service's containers, running or not."""
        listed = self.project.shell(f"docker compose ps --all --format '{{{{.Name}}}}' {service}")
        return sorted(listed.split())

    def state(self, container: str, field: str) -> str:
        """One field of the engine's description of a container."""
        return self.project.shell(f"docker inspect --format '{{{{{field}}}}}' {container}").strip()

    def kill(self, container: str) -> None:
        """SIGKILL to the container's first process from outside: `docker kill` would count as a stop by hand."""
        pid = int(self.state(container, ".State.Pid"))
        if pid:
            self.privileged(f"kill -9 {pid}", "--pid host --privileged")

    def privileged(self, script: str, options: str) -> None:
        """Run a script as root in a container of its own; it may fail."""
        self.project.shell(f"docker run --rm --user 0 {options} --entrypoint sh {IMAGE} -c '{script}'", fails=True)

    def set_clock(self, service: str, seconds: int) -> None:
        """Move the clock of a service; 0 is the machine's."""
        clock = self.project.folder / "clocks" / service / "clock"
        made = clock.with_suffix(".new")
        made.write_text(f"{seconds:+d}\n")
        made.chmod(0o644)
        made.replace(clock)

    def wait_for_engine(self) -> None:
        """Until the engine answers."""
        deadline = time.monotonic() + RECOVERY_SECONDS
        while subprocess.run([*DOCKER, "version"], capture_output=True, cwd=self.project.folder).returncode:
            assert time.monotonic() < deadline, "the engine does not come back"
            time.sleep(0.5)

    def unhealthy(self) -> list[str]:
        """A sentence for each container that is not running and healthy."""
        listed = self.project.shell(
            "docker compose ps --all --format '{{.Name}} {{.Service}} {{.State}} {{.Health}}' " + " ".join(SERVICES),
            fails=True,
        )
        states = [line.split(" ") for line in listed.splitlines()]
        absent = set(SERVICES) - {state[1] for state in states if len(state) == 4}
        return [" ".join(state) for state in states if state[2:] != ["running", "healthy"]] + sorted(absent)

    def recover(self) -> list[str]:
        """Wait until everything is healthy, at most the patience; the containers that are not."""
        deadline = time.monotonic() + RECOVERY_SECONDS
        while (found := self.unhealthy()) and time.monotonic() < deadline:
            time.sleep(2)
        return found


@contextmanager
def disks(home: Path) -> Iterator[dict[str, str]]:
    """A small disk for each volume, as a loop device by the volume's name."""
    made: dict[str, str] = {}
    try:
        for volume, owner in OWNERS.items():
            image = home / f"{volume}.img"
            image.unlink(missing_ok=True)
            with image.open("wb") as file:
                file.truncate(DISK_BYTES)
            options = ["-q", "-m", "0", "-E", f"root_owner={owner}:{owner}"]
            subprocess.run(["mkfs.ext4", *options, str(image)], check=True)
            loop = subprocess.run(
                ["losetup", "--find", "--show", str(image)], check=True, capture_output=True, text=True
            )
            made[volume] = loop.stdout.strip()
        yield made
    finally:
        for device in made.values():
            subprocess.run(["losetup", "--detach", device], check=False)


def override(folder: Path, devices: dict[str, str], library: Path | None) -> None:
    """Write the override file that gives the volumes their disks and the services their clocks."""
    lines = ["services:"] if library is not None else []
    for service in CLOCKS if library is not None else ():
        clocks = folder / "clocks" / service
        clocks.mkdir(parents=True)
        (clocks / "clock").write_text("+0\n")
        (clocks / "libfaketime.so.1").write_bytes(library.read_bytes())
        lines += [f"  {service}:", f"    volumes: ['./clocks/{service}:/clock:ro']", "    environment:"]
        lines += [f"      {name}: '{value}'" for name, value in _FAKETIME.items()]
    lines += ["volumes:"]
    for volume, device in devices.items():
        lines += [f"  {volume}:", "    driver: local"]
        lines += [f"    driver_opts: {{type: ext4, device: {device}, o: ''}}"]
    (folder / "docker-compose.override.yml").write_text("\n".join(lines) + "\n")


_FAKETIME = {
    "LD_PRELOAD": "/clock/libfaketime.so.1",
    "FAKETIME_TIMESTAMP_FILE": "/clock/clock",
    "FAKETIME_NO_CACHE": "1",
    "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    "DONT_FAKE_MONOTONIC": "1",
}
