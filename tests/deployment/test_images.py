"""The Dockerfiles keep hadolint's rules, and each image has what its processes need and no more."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deployment.compose import ROOT
from tests.deployment.images import absent_modules, distributions

DOCKERFILES = ("Dockerfile.api", "Dockerfile.worker")


def hadolint(path: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("hadolint")
    command = [program, "--no-color", "--failure-threshold", "style", path]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("name", DOCKERFILES)
def test_a_dockerfile_keeps_the_rules_of_hadolint(name: str) -> None:
    found = hadolint(ROOT / name)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize(
    ("given", "instead", "rule"),
    [
        ("python:3.13.14-slim-trixie", "python:latest", "DL3007"),
        ("USER 10001:10001", "USER root", "DL3002"),
        ('CMD ["ldnas", "api"]', "CMD ldnas api", "DL3025"),
    ],
)
def test_hadolint_finds_the_errors(given: str, instead: str, rule: str, tmp_path: Path) -> None:
    text = (ROOT / "Dockerfile.api").read_text()
    assert given in text
    (tmp_path / "Dockerfile").write_text(text.replace(given, instead))
    found = hadolint(tmp_path / "Dockerfile")
    assert found.returncode == 1
    assert rule in found.stdout


def test_the_two_images_differ_in_what_they_install_and_run_alone() -> None:
    api, worker = ((ROOT / name).read_text().splitlines()[1:] for name in DOCKERFILES)
    differing = {line.split()[0] for line in {*api} ^ {*worker}}
    assert differing == {"&&", "ENV", "EXPOSE", "CMD"}


def test_the_image_of_the_api_is_without_torch() -> None:
    present = distributions("Dockerfile.api")
    assert {"fastapi", "alembic", "celery", "redis", "psycopg-binary", "kombu"} <= present
    assert not [name for name in present if re.match(r"torch|nvidia|scipy|scikit|onnx|triton", name)]
    assert {"torch", "torchvision", "scipy", "sklearn"} <= absent_modules("Dockerfile.api")


def test_the_image_of_the_worker_has_torch_and_nothing_for_tests() -> None:
    present = distributions("Dockerfile.worker")
    assert {"torch", "torchvision", "celery", "onnx", "pyarrow"} <= present
    assert not {"pytest", "mypy", "hypothesis", "onnxruntime"} & present


@pytest.mark.parametrize("name", DOCKERFILES)
def test_what_an_image_is_made_of_is_sent_to_the_build_and_nothing_else(name: str) -> None:
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", (ROOT / name).read_text(), re.MULTILINE)
    sources = {source for line in copied for source in line.split()}
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert sources == let_through
    assert [source for source in sources if not (ROOT / source).exists()] == []
