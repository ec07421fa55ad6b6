"""Registering, listing, showing and deleting tasks."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from ldnas.space.genotype import EDGES, Genotype
from service.app import create_app
from tests.service.conftest import InProcess
from worker.registry import Engine, JobKind, JobState, reading, unit_of_work
from worker.settings import Settings
from worker.storage.artifacts import open_store


def genotype_json(primitive: str) -> dict[str, Any]:
    return {"edges": [[start, end, primitive] for start, end in EDGES]}


def run_to_the_end(engine: Engine, job_id: str) -> None:
    with unit_of_work(engine) as registry:
        job = registry.leases.claim(job_id, worker="w", lease_seconds=60)
        assert job is not None
        registry.leases.finish(job_id, job.attempt, {})


def test_a_registered_task_is_accepted_with_its_place_and_its_job(http: httpx.Client, labelled_body: dict) -> None:
    answer = http.post("/v1/tasks", json=labelled_body)
    assert answer.status_code == 202
    task = answer.json()
    assert answer.headers["Location"] == f"/v1/tasks/{task['id']}"
    assert int(answer.headers["Retry-After"]) > 0
    assert task["state"] == "queued"
    assert task["role"] == "baseline"
    assert task["labels"] == {"groups": [[1, 3, 5, 7, 9]], "rest": True, "balance": False}
    assert (task["epsilon"], task["repetitions"], task["seed"], task["network"]) == (0.2, 3, 0, None)
    assert http.get(answer.headers["Location"]).json() == task
    assert http.get(f"/v1/jobs/{task['job_id']}").json()["params"] == {"task_id": task["id"]}


def test_the_job_waits_in_the_registry_and_nothing_else_is_needed(
    http: httpx.Client, task_body: dict, engine: Engine
) -> None:
    task = http.post("/v1/tasks", json=task_body).json()
    with reading(engine) as registry:
        job = registry.jobs.get(task["job_id"])
        assert registry.jobs.due(60) == [job.id]
    assert (job.kind, job.state) == (JobKind.REGISTER_TASK, JobState.QUEUED)


def test_given_genotypes_are_stored_once_each_with_the_task(http: httpx.Client, task_body: dict) -> None:
    cells = [genotype_json("sep_conv_3x3"), genotype_json("identity"), genotype_json("sep_conv_3x3")]
    task = http.post("/v1/tasks", json=task_body | {"genotypes": cells}).json()
    assert [row["genotype"] for row in task["genotypes"]] == cells[:2]
    assert {row["origin"] for row in task["genotypes"]} == {"given"}
    assert task["genotypes"][0]["genotype"] == Genotype(("sep_conv_3x3",) * 6).to_json()


@pytest.mark.parametrize(
    ("setting", "body", "stored"),
    [
        ("default", {}, {"default_study": True}),
        ("default", {"study": None}, {"default_study": True}),
        ("default", {"study": {"cells": 0}}, {}),
        ("default", {"study": {}}, {"study": {"cells": 2}}),
        ("off", {}, {}),
        ("off", {"study": {"cells": 1, "seconds": 9}}, {"study": {"cells": 1, "seconds": 9}}),
    ],
)
def test_a_request_without_a_study_gets_the_default_one_unless_it_is_off(
    settings: Settings, task_body: dict, setting: str, body: dict, stored: dict
) -> None:
    app = create_app(replace(settings, study=setting))
    with httpx.Client(transport=InProcess(app), base_url="http://service") as http:
        task = http.post("/v1/tasks", json=task_body | body).json()
        assert http.get(f"/v1/jobs/{task['job_id']}").json()["params"] == {"task_id": task["id"], **stored}
    app.state.resources.engine.dispose()


def test_a_requested_study_is_stored_for_the_job(http: httpx.Client, task_body: dict) -> None:
    task = http.post("/v1/tasks", json=task_body | {"study": {"cells": 4}}).json()
    params = http.get(f"/v1/jobs/{task['job_id']}").json()["params"]
    assert params == {"task_id": task["id"], "study": {"cells": 4}}


def test_a_task_shows_which_of_its_networks_approximate_it(http: httpx.Client, task_body: dict, engine: Engine) -> None:
    task = http.post("/v1/tasks", json=task_body | {"epsilon": 0.25}).json()
    with unit_of_work(engine) as registry:
        for repetition, balanced in enumerate((0.75, 0.74)):
            registry.results.store_network(
                key=f"k{repetition}",
                architecture="small_cnn",
                seed=repetition,
                classes=2,
                weights="w",
                parameters=7,
                validation_accuracy=0.9,
                validation_balanced_accuracy=balanced,
                seconds=1.0,
            )
            registry.task_results.link_network(task["id"], repetition, f"k{repetition}")
    networks = http.get(f"/v1/tasks/{task['id']}").json()["networks"]
    assert [(network["repetition"], network["approximation"]) for network in networks] == [(0, True), (1, False)]


def test_a_name_that_a_baseline_holds_is_a_conflict_that_names_the_field(http: httpx.Client, task_body: dict) -> None:
    http.post("/v1/tasks", json=task_body)
    answer = http.post("/v1/tasks", json=task_body)
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "name_taken"
    assert answer.json()["errors"][0]["field"] == "name"
    assert len(http.get("/v1/jobs").json()["items"]) == 1


def test_tasks_are_listed_newest_first_page_by_page(http: httpx.Client, task_body: dict) -> None:
    names = [f"task {number}" for number in range(5)]
    for name in names:
        http.post("/v1/tasks", json=task_body | {"name": name})
    first = http.get("/v1/tasks", params={"limit": 3}).json()
    second = http.get("/v1/tasks", params={"limit": 3, "after": first["next"]}).json()
    assert [task["name"] for task in first["items"] + second["items"]] == names[::-1]
    assert second["next"] is None
    assert http.get("/v1/tasks", params={"limit": 5}).json()["next"] is None
    assert http.get("/v1/tasks", params={"role": "target"}).json() == {"items": [], "next": None}


def test_a_task_whose_job_is_unfinished_is_not_deleted(http: httpx.Client, task_body: dict, engine: Engine) -> None:
    task = http.post("/v1/tasks", json=task_body).json()
    refused = http.delete(f"/v1/tasks/{task['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "task_busy")
    run_to_the_end(engine, task["job_id"])
    assert http.delete(f"/v1/tasks/{task['id']}").status_code == 204
    assert http.get(f"/v1/tasks/{task['id']}").status_code == 404


@pytest.mark.parametrize("id", ["0" * 32, "nonsense", "%00", "a b"])
def test_an_unknown_task_is_not_found(http: httpx.Client, id: str) -> None:
    answer = http.get(f"/v1/tasks/{id}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_an_unchanged_task_costs_a_304(http: httpx.Client, task_body: dict, engine: Engine) -> None:
    task = http.post("/v1/tasks", json=task_body).json()
    path = f"/v1/tasks/{task['id']}"
    tag = http.get(path).headers["ETag"]
    unchanged = http.get(path, headers={"If-None-Match": f'"other", W/{tag}'})
    assert (unchanged.status_code, unchanged.content, unchanged.headers["ETag"]) == (304, b"", tag)
    run_to_the_end(engine, task["job_id"])
    assert http.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_the_picture_of_a_tasks_images_is_sent_once_it_is_there(
    http: httpx.Client, task_body: dict, engine: Engine, settings: Settings
) -> None:
    task = http.post("/v1/tasks", json=task_body).json()
    address = f"/v1/tasks/{task['id']}/samples"
    none_yet = http.get(address)
    assert (none_yet.status_code, none_yet.json()["code"], task["samples"]) == (404, "no_samples", None)
    digest = open_store(settings).put(b"a picture")
    with unit_of_work(engine) as registry:
        registry.tasks.get(task["id"]).samples = digest
    assert http.get(f"/v1/tasks/{task['id']}").json()["samples"] == address
    answer = http.get(address)
    assert (answer.content, answer.headers["Content-Type"]) == (b"a picture", "image/png")
    assert http.get(address, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    open_store(settings).drop(digest)
    assert http.get(address).json()["code"] == "missing_artifact"
