"""While an upgrade rolls, the version before runs on the schema of this one: it takes jobs, and it finishes them."""

import io
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deployment.caller import Caller
from tests.deployment.compose import ROOT
from tests.deployment.conftest import Database
from tests.deployment.running import Deployment
from tests.deployment.waiting import until
from worker.registry.schema import migrate

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

VERSION_0_1_0 = "613e2b9594c2e573c3fc74b9d41dda87f271ead4"
"""The commit of 0.1.0 in CHANGELOG.md."""


@pytest.fixture
def code_before(tmp_path: Path) -> Path:
    """The program of the version before, taken from the history."""
    parts = ("ldnas", "worker", "service", "migrations")
    taken = subprocess.run(["git", "archive", VERSION_0_1_0, "--", *parts], cwd=ROOT, capture_output=True)
    if taken.returncode != 0:
        pytest.skip(f"{VERSION_0_1_0[:7]} is not here (no git, or a shallow clone): {taken.stderr.decode().strip()}")
    folder = tmp_path / "0.1.0"
    with tarfile.open(fileobj=io.BytesIO(taken.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def test_the_version_before_runs_on_the_new_schema_and_hands_over_to_this_one(
    deploy: Callable[..., Deployment], caller: Caller, code_before: Path, database: Database, stripes_folder: Path
) -> None:
    migrate(database.url)
    before, this = deploy(code_before), deploy()
    before.replace("postgresql+psycopg://ldnas@postgres:5432/ldnas", database.url)  # it reads no password from a file
    assert before.file_of("worker.settings").is_relative_to(code_before)
    assert this.file_of("worker.settings").is_relative_to(ROOT)
    stripes_folder.rename(this.volume("datasets") / "stripes")
    dataset = {"uri": (this.volume("datasets") / "stripes").as_uri()}

    def does_a_job(name: str) -> bool:
        task = caller.post("/v1/tasks", {"name": name, "dataset": dataset, "repetitions": 1})
        return bool(caller.ended(f"/v1/tasks/{task['id']}")["state"] == "succeeded")

    for name in ("api", "dispatcher", "worker"):
        before.start(name)
    until(caller.is_answered, "the API of the version before answers")
    assert does_a_job("all of them before"), before.log("worker")

    # The order that docs/operations.md asks for: the workers, the dispatcher, the API.
    before.stop("worker")
    this.start("worker")
    assert does_a_job("this worker"), this.log("worker")
    for name in ("dispatcher", "api"):
        before.stop(name)
    assert this.run_once("migrate") == 0, this.log("migrate")
    for name in ("dispatcher", "api"):
        this.start(name)
    until(caller.is_answered, "the API of this version answers")
    caller.show(this.secret_text("admin_key"))
    kept = {item["name"] for item in caller.get("/v1/tasks")["items"] if item["state"] == "succeeded"}
    assert kept == {"all of them before", "this worker"}
