"""The services of the compose file work together: from its secrets to a network, and to an end in order."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from tests.deployment.caller import Caller
from tests.deployment.compose import load
from tests.deployment.conftest import Database
from tests.deployment.running import Deployment, can_close, closed
from tests.deployment.waiting import until

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

SMALL = {"search": {"candidates": 2, "rounds": 1}, "budget": {"iterations": 1}, "repetitions": 1}


def start_in_order(deployment: Deployment) -> None:
    """Each service when what it depends on is as it asks; PostgreSQL and Valkey run already."""
    for name in ("api", "dispatcher", "worker"):
        conditions = load()["services"][name]["depends_on"]
        assert conditions["migrate"] == {"condition": "service_completed_successfully"}
        deployment.start(name)
    for name in ("api", "dispatcher", "worker"):
        until(lambda name=name: deployment.is_healthy(name), f"{name} is healthy")


def test_what_the_file_deploys_makes_a_network_and_ends_in_order(
    deploy: Callable[[], Deployment], caller: Caller, stripes_folder: Path
) -> None:
    deployment = deploy()
    stripes_folder.rename(deployment.volume("datasets") / "stripes")
    stripes = {"uri": (deployment.volume("datasets") / "stripes").as_uri()}
    assert deployment.run_once("migrate") == 0, deployment.log("migrate")
    start_in_order(deployment)

    assert caller.http.get("/v1/tasks").status_code == 401
    caller.show(deployment.secret_text("admin_key"))
    task = caller.post("/v1/tasks", {"name": "three", "dataset": stripes, "repetitions": 1})
    assert caller.ended(f"/v1/tasks/{task['id']}")["state"] == "succeeded"
    labels = {"groups": [["across"]], "rest": True}
    asked = caller.post("/v1/recommendations", {"dataset": stripes, "labels": labels, "baselines": ["three"], **SMALL})

    until(lambda: caller.get(f"/v1/jobs/{asked['job_id']}")["stage"] == "fit", "something can be saved")
    status, part_of_grace = deployment.stop("worker")
    assert (status, part_of_grace < 1) == (0, True), deployment.log("worker")
    assert f"job {asked['job_id']}: asked to end; its state is saved" in deployment.log("worker")
    given_back = caller.get(f"/v1/jobs/{asked['job_id']}")
    assert (given_back["state"], given_back["attempt"]) == ("queued", 1)
    deployment.start("worker")
    answer = caller.ended(f"/v1/recommendations/{asked['id']}")
    assert answer["state"] == "succeeded", answer["error"]
    assert caller.get(f"/v1/jobs/{asked['job_id']}")["attempt"] == 2
    weights = caller.http.get(f"/v1/architectures/{answer['architecture']['id']}/weights").raise_for_status()
    assert len(weights.content) > 1000

    ends = {name: deployment.stop(name) for name in ("worker", "dispatcher", "api")}
    assert {name: status for name, (status, _) in ends.items()} == {"worker": 0, "dispatcher": 0, "api": 0}
    assert "Application shutdown complete" in deployment.log("api")
    assert [name for name, (_, part) in ends.items() if part >= 1] == []


def test_the_database_refuses_a_client_without_the_password_of_the_secret(
    deploy: Callable[[], Deployment], database: Database
) -> None:
    for password, comes_in in ((database.password, True), ("another", False)):
        engine = create_engine(database.url.replace(database.password, password), poolclass=NullPool)
        with nullcontext() if comes_in else pytest.raises(OperationalError, match="password"), engine.connect():
            assert comes_in
    deployment = deploy()
    deployment.secret("database_password", "another\n")
    assert deployment.run_once("migrate") == 1
    assert "password authentication failed" in deployment.log("migrate")
    assert "another" not in deployment.log("migrate")


def test_a_service_cannot_import_what_its_image_has_not(deploy: Callable[[], Deployment]) -> None:
    assert deploy().exit_status("api", ["python", "-c", "import fastapi, numpy, alembic"]) == 0
    assert deploy().exit_status("api", ["python", "-c", "import torch"]) == 1
    assert deploy().exit_status("worker", ["python", "-c", "import pytest"]) == 1


@pytest.mark.skipif(not can_close(), reason="this process may not make views of the file system for others")
def test_a_service_can_write_to_its_volumes_and_nowhere_else(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()

    def touch(path: Path) -> int:
        program = f"open({str(path)!r}, 'w')"
        return subprocess.run(closed([sys.executable, "-c", program], [inside]), capture_output=True).returncode

    assert touch(inside / "file") == 0
    assert touch(outside / "file") == 1
    assert touch(Path.home() / "ldnas-was-here") == 1
