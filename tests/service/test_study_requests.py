"""`POST /v1/tasks/{id}/study`: a job for a ready baseline, all checks before it."""

from typing import Any

import httpx
import pytest

from service.client import Client
from worker.registry import CellTraining, Engine, JobState, TaskRole, unit_of_work

TRAINING = CellTraining(
    key="k",
    genotype={"edges": []},
    skeleton={"stages": []},
    epochs=4,
    seed=7,
    validation_accuracy=0.75,
    validation_loss=0.5,
    standard_error=0.0625,
    seconds=1.5,
)


def add_task(
    engine: Engine, name: str = "odd", *, role: str = TaskRole.BASELINE, state: JobState = JobState.SUCCEEDED
) -> str:
    columns = {"dataset": {"uri": "builtin://digits"}, "labels": None, "epsilon": 0.2, "repetitions": 1, "seed": 0}
    with unit_of_work(engine) as registry:
        job = registry.jobs.insert("register_task", {})
        task = registry.tasks.insert(name=name, role=role, job_id=job.id, **columns)
        if state is not JobState.QUEUED:
            registry.leases.claim(job.id, worker="w", lease_seconds=60)
        if state is JobState.SUCCEEDED:
            registry.leases.finish(job.id, 1, {})
        if state is JobState.FAILED:
            registry.leases.fail(job.id, 1, {"code": "internal"})
        return task.id


def study(http: httpx.Client, task_id: str, key: str | None = None, **body: Any) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return http.post(f"/v1/tasks/{task_id}/study", json=body, headers=headers)


def studies(http: httpx.Client) -> list[dict[str, Any]]:
    return http.get("/v1/jobs", params={"kind": "study"}).json()["items"]


def test_a_study_of_a_ready_baseline_is_a_job(http: httpx.Client, engine: Engine) -> None:
    task_id = add_task(engine)
    answer = study(http, task_id, cells=1, seconds=9)
    accepted = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/jobs/{accepted['job_id']}"
    assert accepted == {"job_id": accepted["job_id"], "state": "queued", "task_id": task_id, "name": "odd"}
    [job] = studies(http)
    assert job["params"].items() >= {"task_id": task_id, "study": {"cells": 1, "seconds": 9}}.items()


def test_one_key_studies_once_and_one_task(http: httpx.Client, engine: Engine) -> None:
    first, second = add_task(engine), add_task(engine, "even")
    accepted = study(http, first, "k")
    assert study(http, first, "k").json() == accepted.json()
    assert len(studies(http)) == 1
    assert study(http, first, "k", cells=1).json()["code"] == "idempotency_key_reused"
    assert study(http, second, "k").json()["code"] == "idempotency_key_reused"


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"role": TaskRole.TARGET}, "promote its recommendation first"),
        ({"state": JobState.QUEUED}, "its job is queued, not succeeded"),
        ({"state": JobState.FAILED}, "its job is failed, not succeeded"),
    ],
)
def test_a_task_that_is_not_a_ready_baseline_is_not_studied(
    http: httpx.Client, engine: Engine, columns: dict, words: str
) -> None:
    answer = study(http, add_task(engine, **columns))
    assert (answer.status_code, answer.json()["code"]) == (409, "not_studiable")
    assert words in answer.json()["detail"]
    assert studies(http) == []


def test_an_unknown_task_cannot_be_studied(http: httpx.Client) -> None:
    assert study(http, "0" * 32).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"), [({"cells": 0}, "cells"), ({"cells": 5}, "cells"), ({"seconds": 0}, "seconds"), ({"a": 1}, "a")]
)
def test_a_refusal_names_the_field(http: httpx.Client, engine: Engine, body: dict, field: str) -> None:
    answer = study(http, add_task(engine), **body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert studies(http) == []


def test_a_task_is_not_deleted_while_its_cells_are_studied(http: httpx.Client, engine: Engine) -> None:
    task_id = add_task(engine)
    job_id = study(http, task_id).json()["job_id"]
    assert http.delete(f"/v1/tasks/{task_id}").json()["code"] == "task_busy"
    http.post(f"/v1/jobs/{job_id}/cancel")
    assert http.delete(f"/v1/tasks/{task_id}").status_code == 204


def test_the_client_asks_for_it_and_reads_the_trainings(http: httpx.Client, engine: Engine) -> None:
    def forward(request: httpx.Request) -> httpx.Response:
        answer = http.request(request.method, request.url, headers=request.headers, content=request.read())
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    task_id = add_task(engine)
    with Client("http://service", transport=httpx.MockTransport(forward)) as client:
        asked = client.study_task(task_id, cells=1)
        assert (asked.label, asked.status()["kind"]) == ("odd", "study")
        with unit_of_work(engine) as registry:
            registry.task_results.store_training(task_id, TRAINING)
            registry.leases.claim(asked.job.rpartition("/")[2], worker="w", lease_seconds=60)
            registry.leases.finish(asked.job.rpartition("/")[2], 1, {})
        [cell] = asked.wait().cells
    assert (cell.validation_accuracy, cell.epochs, cell.weights) == (0.75, 4, False)
