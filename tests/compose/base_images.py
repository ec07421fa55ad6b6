"""The images that the project's own are built on, or stand-ins for them where no image can be pulled."""

import os
import re
import subprocess
from pathlib import Path

from tests.compose.engine import DOCKER
from tests.deployment.compose import ROOT

BUILDER = Path(__file__).parent / "stand_ins" / "build"


def provide_base_images(home: Path) -> bool:
    """Pull the base images, or build stand-ins for them; whether it built them."""
    text = "".join((ROOT / name).read_text() for name in ("Dockerfile.api", "docker-compose.yml"))
    wanted = {*re.findall(r"^FROM (\S+:\S+)", text, re.MULTILINE), *re.findall(r"image: ((?!ldnas)\S+)", text)}
    for name in sorted({*wanted, "postgres:17-trixie"}):
        there = subprocess.run([*DOCKER, "image", "inspect", name], cwd=home, capture_output=True)
        if there.returncode and subprocess.run([*DOCKER, "pull", name], cwd=home, capture_output=True).returncode:
            environment = {**os.environ, "LDNAS_DOCKER": " ".join(DOCKER), "STAND_INS": str(home / "stand_ins")}
            subprocess.run([BUILDER], env=environment, check=True, cwd=home)
            return True
    [python] = [name for name in wanted if name.startswith("python:")]
    return subprocess.run([*DOCKER, "run", "--rm", python, "test", "-e", "/machine"], cwd=home).returncode == 0
