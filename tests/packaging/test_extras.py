"""What `pip install .` brings without an extra and with each, and what a command says that lacks one."""

import re
from pathlib import Path

import pytest

from tests.deployment.images import distributions_of
from tests.packaging.installation import Installation, install

TORCH = re.compile(r"torch|nvidia|triton|scipy|scikit|onnx")
SERVICE = {"alembic", "fastapi", "sqlalchemy", "uvicorn", "psycopg-binary"}

# Prints every command's name, and shows its help.
EVERY_HELP = """
import typer
from typer.testing import CliRunner
from service.cli.command import app

def leaves(command, names):
    if getattr(command, "commands", None):
        for name, child in command.commands.items():
            yield from leaves(child, [*names, name])
    else:
        yield names

for names in leaves(typer.main.get_command(app), []):
    shown = CliRunner().invoke(app, [*names, "--help"])
    assert shown.exit_code == 0 and "Usage" in shown.stdout, (names, shown.stderr)
    print(" ".join(names))
"""


def test_the_base_is_the_client_and_the_command_line_alone() -> None:
    base = distributions_of("")
    assert {"httpx", "pydantic", "rich", "typer"} <= base
    assert not base & (SERVICE | {"numpy", "pillow", "celery"})
    assert len(base) < 25


def test_the_extra_service_is_without_torch_and_worker_has_all() -> None:
    service, worker = distributions_of("service"), distributions_of("worker")
    assert service >= SERVICE
    assert not [name for name in service if TORCH.match(name)]
    assert worker >= service | {"torch", "torchvision", "celery", "onnx", "safetensors"}


@pytest.mark.registry
def test_in_the_base_installation_every_command_has_its_help(base: Installation, tmp_path: Path) -> None:
    done = base.run(base.python, "-c", EVERY_HELP, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {"up", "demo", "recommend", "task add", "key create", "registry export"} <= {*done.stdout.splitlines()}
    assert "Usage" in base.run(base.ldnas, "--help", cwd=tmp_path).stdout


@pytest.mark.registry
@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("up", "worker"),
        ("demo", "worker"),
        ("worker", "worker"),
        ("dispatcher", "dispatcher"),
        ("api", "service"),
        ("migrate", "service"),
        ("doctor", "service"),
        ("key list", "service"),
        ("registry export known.ldnas", "service"),
        ("predict network.onnx image.png", "predict"),
    ],
)
def test_a_command_that_needs_an_extra_says_which_in_one_line(
    command: str, extra: str, base: Installation, tmp_path: Path
) -> None:
    done = base.run(base.ldnas, *command.split(), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert re.fullmatch(rf"ldnas: \w+ is not installed; run pip install 'ldnas\[{extra}\]'", line)
    assert not [*tmp_path.iterdir()]


@pytest.mark.registry
def test_the_base_installation_talks_to_a_service(base: Installation, tmp_path: Path) -> None:
    done = base.run(base.ldnas, "task", "list", cwd=tmp_path, LDNAS_URL="http://127.0.0.1:9")
    assert (done.returncode, done.stderr.count("\n")) == (4, 1)
    assert "no service answers at http://127.0.0.1:9" in done.stderr


@pytest.mark.long
@pytest.mark.registry
@pytest.mark.timeout(1800)
def test_the_demo_runs_with_nothing_but_what_the_extra_worker_brings(wheel: Path, tmp_path: Path) -> None:
    installation = install(tmp_path / "full", f"{wheel}[worker]")
    done = installation.run(installation.ldnas, "demo", cwd=tmp_path, seconds=900, LDNAS_DEVICE="cpu")
    assert done.returncode == 0, done.stderr
    assert "The closest known task is" in done.stdout
    files = {path.name for path in (tmp_path / "var" / "demo").iterdir()}
    assert files >= {"network.py", "weights.safetensors", "network.pt2", "network.onnx", "card.md"}
