"""The compose project on a Docker engine, in a copy of the working tree, with the commands of docs/operations.md."""

import json
import os
import shlex
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.deployment.compose import ROOT
from tests.documentation.pages import Block, blocks

DOCS = ROOT / "docs"
PROJECT = "ldnas"
DOCKER = shlex.split(os.environ.get("LDNAS_DOCKER", "docker"))
STEP_SECONDS = 1500.0
LONG_ANSWERS = ("docker build", "docker inspect", "docker image inspect", "docker compose logs")
"""Commands whose output the log leaves out."""


def reason_to_skip() -> str | None:
    """Why this machine cannot run the suite, or None."""
    if "LDNAS_TEST_COMPOSE" not in os.environ:
        return "run it with `make test-compose`"
    try:
        asked = subprocess.run([*DOCKER, "version"], capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        return f"{DOCKER[0]} is not installed"
    if asked.returncode:
        return f"no Docker engine answers: {asked.stderr.strip()[:200]}"
    there = [*DOCKER, "ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={PROJECT}"]
    if subprocess.run(there, capture_output=True, text=True, check=True).stdout.strip():
        return f"a project {PROJECT} is deployed on this engine, and the suite would replace it"
    return None


def documented(containing: str, *, page: str = "operations.md") -> Block:
    """The one block of a page of docs/ that needs an engine and contains this text."""
    found = [
        block
        for block in blocks(DOCS / page)
        if block.reason == "needs a Docker engine" and block.language == "bash" and containing in block.text
    ]
    assert len(found) == 1, [block.place for block in found]
    return found[0]


def copy_tree(home: Path) -> Path:
    """A new copy of the working tree below `home`, which the engine has to see: what git tracks or does not ignore."""
    copy = home / "project"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(parents=True)
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, files):
        if (ROOT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


def free_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Project:
    """A copy of the working tree with its containers.

    Args:
        folder: where the copy is; the engine has to see it.
        log: a file that gets every command with its output and its seconds.
        variables: for every command, in place of what `.env` says.
    """

    def __init__(self, folder: Path, log: Path, variables: dict[str, str]) -> None:
        self.folder = folder
        self._log = log
        self._environment = {**os.environ, **variables}
        program = folder.parent / "bin"
        program.mkdir(exist_ok=True)
        docker = program / "docker"
        docker.write_text(f'#!/bin/sh\nexec {shlex.join(DOCKER)} "$@"\n')
        docker.chmod(0o755)
        if DOCKER != ["docker"]:
            self._environment["PATH"] = f"{program}:{os.environ['PATH']}"

    def run(self, block: Block) -> str:
        """Run a block of the documents as it stands there."""
        return self.shell(block.text)

    def shell(self, script: str, *, fails: bool = False) -> str:
        """The output of a script in the project's folder, which has to succeed unless it may fail."""
        began = time.monotonic()
        ended = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=STEP_SECONDS,
        )
        self._note(script, ended.stdout, time.monotonic() - began)
        if ended.returncode and not fails:
            logs = self.shell("docker compose logs --no-color --tail 20", fails=True)
            raise AssertionError(f"{script}\n{ended.stdout[-2000:]}\n{logs}")
        return ended.stdout

    def _note(self, script: str, output: str, seconds: float) -> None:
        lines = [line for line in output.splitlines() if line.strip()]
        if script.startswith(LONG_ANSWERS):
            lines = []
        shown = lines if len(lines) <= 30 else [*lines[:5], f"… {len(lines) - 20} lines", *lines[-15:]]
        commands = "\n".join(f"$ {line}" for line in script.strip().splitlines())
        with self._log.open("a") as log:
            text = f"{commands}\n" + "".join(f"  {line[:160]}\n" for line in shown) + f"  ({seconds:.1f} s)\n"
            log.write(text.replace(str(self.folder), "."))

    def inspect(self, service: str) -> dict[str, Any]:
        """The engine's description of a service's container."""
        [found] = json.loads(self.shell(f"docker inspect $(docker compose ps --all --quiet {service})"))
        return dict(found)

    def containers(self) -> dict[str, str]:
        """The ids of all containers, by their names."""
        listed = self.shell("docker compose ps --all --format '{{.Name}} {{.ID}}'")
        return dict(line.split() for line in listed.splitlines())

    def health(self, service: str) -> str:
        """The result of the service's health check."""
        return str(self.inspect(service)["State"]["Health"]["Status"])

    def image(self, name: str) -> dict[str, Any]:
        """The engine's description of an image."""
        [found] = json.loads(self.shell(f"docker image inspect {name}"))
        return dict(found)

    def logs(self, service: str) -> str:
        """Everything that a service's containers logged."""
        return self.shell(f"docker compose logs --no-color --no-log-prefix {service}")
