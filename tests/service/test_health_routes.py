"""Liveness and readiness of the process."""

import httpx
from fastapi import FastAPI

from worker.registry import Engine, unit_of_work


def test_a_process_with_a_migrated_database_and_a_worker_is_ready(http: httpx.Client, worker_listed: None) -> None:
    assert http.get("/healthz").json() == {"status": "ok"}
    assert http.get("/readyz").json() == {"status": "ready"}


def test_while_no_worker_ever_reported_it_is_not_ready_and_takes_requests(http: httpx.Client, task_body: dict) -> None:
    answer = http.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert "no worker has reported yet" in answer.json()["detail"]
    assert http.post("/v1/tasks", json=task_body).status_code == 202
    assert http.get("/readyz").status_code == 503, "a waiting job does not show that a worker exists"


def test_it_stays_ready_when_a_worker_that_claimed_a_job_has_left(
    http: httpx.Client, engine: Engine, worker_listed: None, task_body: dict
) -> None:
    job_id = http.post("/v1/tasks", json=task_body).json()["job_id"]
    with unit_of_work(engine) as registry:
        registry.leases.claim(job_id, worker="host:1:0:cpu", lease_seconds=60.0)
        registry.workers.leave("0" * 32)
    assert http.get("/readyz").json() == {"status": "ready"}


def test_without_its_schema_it_lives_but_is_not_ready(http: httpx.Client, app: FastAPI) -> None:
    app.state.resources.settings.home.joinpath("ldnas.sqlite3").unlink()
    assert http.get("/healthz").status_code == 200
    answer = http.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert "ldnas migrate" in answer.json()["detail"]


def test_without_its_database_it_lives_but_is_not_ready(http: httpx.Client, app: FastAPI) -> None:
    database = app.state.resources.settings.home / "ldnas.sqlite3"
    database.unlink()
    database.mkdir()
    assert http.get("/healthz").status_code == 200
    assert http.get("/readyz").json()["code"] == "database_unavailable"
