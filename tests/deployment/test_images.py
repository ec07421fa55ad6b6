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
    differing = {line.split()[0] for line in {*api} ^ {*worker} if not line.startswith("#")}
    # An index for torch, and the removal of CUDA's libraries.
    of_torch = {"ARG", "COPY", "/opt/ldnas/bin/pip", "fi"}
    assert differing == {"&&", "ENV", "EXPOSE", "CMD"} | of_torch


@pytest.mark.parametrize("name", DOCKERFILES)
def test_only_the_packages_can_change_the_layer_of_the_dependencies(name: str) -> None:
    """The code is a wheel in a layer of its own; the README is in the wheel's metadata alone."""
    stages = re.split(r"^FROM ", (ROOT / name).read_text(), flags=re.MULTILINE)[1:]
    dependencies, program, final = stages
    copied = {word for line in re.findall(r"^COPY (.+) \S+$", dependencies, re.MULTILINE) for word in line.split()}
    assert copied <= {"pyproject.toml", "constraints.txt", "deploy/without_cuda.py"}
    assert {"pyproject.toml", "constraints.txt"} <= copied
    assert "pip uninstall --yes ldnas" in dependencies
    assert "pip wheel" in program
    taken = re.findall(r"^COPY --from=(\w+) (\S+)|^RUN --mount=type=bind,from=(\w+),source=(\S+),", final, re.MULTILINE)
    assert [[part for part in found if part] for found in taken] == [
        ["dependencies", "/opt/ldnas"],
        ["program", "/wheels"],
    ]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_image_can_send_traces(name: str) -> None:
    assert {"opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"} <= distributions(name)


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
    removal = {"deploy/without_cuda.py"}  # of CUDA, from the image that could have it
    assert sources == (let_through if name == "Dockerfile.worker" else let_through - removal)
    assert [source for source in sources if not (ROOT / source).exists()] == []
