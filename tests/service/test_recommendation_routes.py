"""Asking for a recommendation, polling it, cancelling and deleting it."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from worker.registry import Engine, JobKind, JobState, TaskRole, reading, unit_of_work

GOLDEN = Path(__file__).parent / "golden"

FOUND: dict[str, Any] = {
    "target": {"task_id": "t", "dataset": {"uri": "builtin://digits"}, "classes": ["a", "b"], "train": 7},
    "verdict": "no_baseline",
    "tied": [],
    "closest": None,
    "scale": {"self_distance": 0.1, "untrained_distance": 0.9},
    "distances": [
        {
            "task_id": "b",
            "name": "odd",
            "measure": "log_det",
            "mean": 0.5,
            "repetitions": 3,
            "standard_error": 0.25,
            "samples": 256,
            "contributions": [{"layer": "stem", "value": 0.5}],
        }
    ],
    "eligibility": [{"task_id": "b", "name": "odd", "eligible": False, "reason": "failed"}],
    "warm_start": None,
    "validation": {"accuracy": 0.9, "balanced_accuracy": 0.8},
    "test": {"accuracy": 0.7, "interval": [0.6, 0.8]},
    "cost": {"stage_seconds": {"fit": 1.5}, "device": "cpu", "device_seconds": 1.5},
    "a_field_of_a_newer_worker": 1,
}


def shape_of(value: Any) -> Any:
    """Objects by their keys; what they hold by its type."""
    if isinstance(value, dict):
        return {key: shape_of(inner) for key, inner in value.items()}
    return "null" if value is None else type(value).__name__


def lost_fields(golden: dict[str, Any], answer: dict[str, Any], path: str = "") -> list[str]:
    """The fields of `golden` that `answer` does not have, nested ones too."""
    lost = [f"{path}{key}" for key in golden if key not in answer]
    for key in (key for key, inner in golden.items() if isinstance(inner, dict) and key in answer):
        lost += lost_fields(golden[key], answer[key], f"{path}{key}.")
    return lost


@pytest.fixture
def asked(http: httpx.Client, task_body: dict) -> dict[str, Any]:
    del task_body["name"]
    answer = http.post("/v1/recommendations", json=task_body)
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/recommendations/{answer.json()['id']}"
    assert int(answer.headers["Retry-After"]) > 0
    return answer.json()


def poll(http: httpx.Client, asked: dict) -> dict[str, Any]:
    return http.get(f"/v1/recommendations/{asked['id']}").json()


def test_every_field_is_there_from_the_first_poll(http: httpx.Client, asked: dict) -> None:
    golden = json.loads((GOLDEN / "recommendation.json").read_text())
    answer = poll(http, asked)
    assert lost_fields(golden, answer) == []
    known_later = {key: shape_of(answer[key]) for key in golden}
    assert known_later == golden
    assert asked == answer


def test_a_wish_for_a_warm_start_reaches_the_worker(http: httpx.Client, task_body: dict, engine: Engine) -> None:
    del task_body["name"]
    asked = http.post("/v1/recommendations", json=task_body | {"final": {"warm_start": True}})
    assert asked.status_code == 202
    assert asked.json()["warm_start"] == {"task_id": None, "name": None, "network": None}
    with reading(engine) as registry:
        assert registry.recommendations.get(asked.json()["id"]).request["final"] == {"seeds": 1, "warm_start": True}


def test_no_field_is_lost_when_the_answer_fills_up(http: httpx.Client, asked: dict, engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        job = registry.leases.claim(asked["job_id"], worker="w", lease_seconds=60)
        assert job is not None
        registry.leases.progress(job.id, job.attempt, stage="fit", fraction=0.25, message="epoch 1", eta_seconds=9.0)
        registry.recommendations.merge_document(asked["id"], job.id, job.attempt, FOUND)
    answer = poll(http, asked)
    golden = json.loads((GOLDEN / "recommendation.json").read_text())
    assert lost_fields(golden, answer) == []
    assert (answer["state"], answer["stage"]) == ("running", "fit")
    assert answer["progress"] == {"fraction": 0.25, "eta_seconds": 9.0, "message": "epoch 1"}
    assert answer["verdict"] == "no_baseline"
    assert answer["closest"] == {"task_id": None, "name": None, "distance": None, "probability": None}
    assert set(json.loads((GOLDEN / "distance.json").read_text())) <= set(answer["distances"][0])
    [distance] = answer["distances"]
    assert (distance["standard_error"], distance["samples"]) == (0.25, 256)
    assert distance["contributions"] == [{"layer": "stem", "value": 0.5}]
    assert answer["test"]["interval"] == [0.6, 0.8]
    assert answer["eligibility"][0]["reason"] == "failed"
    assert answer["a_field_of_a_newer_worker"] == 1
    assert answer["id"] == asked["id"]


def test_a_stage_cannot_write_over_what_the_job_says(http: httpx.Client, asked: dict, engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        job = registry.leases.claim(asked["job_id"], worker="w", lease_seconds=60)
        assert job is not None
        registry.recommendations.merge_document(asked["id"], job.id, job.attempt, {"state": "succeeded", "id": "x"})
    assert (poll(http, asked)["state"], poll(http, asked)["id"]) == ("running", asked["id"])


def test_the_target_is_a_task_of_its_own_next_to_the_job(http: httpx.Client, asked: dict, engine: Engine) -> None:
    with reading(engine) as registry:
        task = registry.tasks.get(asked["target"]["task_id"])
        job = registry.jobs.get(asked["job_id"])
    assert task.role == TaskRole.TARGET
    assert task.name == f"target-{task.id[:8]}"
    assert task.job_id == job.id
    assert (job.kind, job.state) == (JobKind.RECOMMEND, JobState.QUEUED)
    assert job.params == {"recommendation_id": asked["id"], "task_id": task.id}


def test_the_requested_fields_are_stored_for_the_worker_and_no_others(
    http: httpx.Client, labelled_body: dict, engine: Engine
) -> None:
    http.post("/v1/tasks", json=labelled_body)
    wish = labelled_body | {
        "name": "mine",
        "baselines": ["odd_or_even"],
        "budget": {"iterations": 2},
        "search": {"candidates": 4},
        "priority": 5,
    }
    asked = http.post("/v1/recommendations", json=wish).json()
    with reading(engine) as registry:
        request = registry.recommendations.get(asked["id"]).request
        assert registry.jobs.get(asked["job_id"]).priority == 5
    assert request["budget"] == {"iterations": 2}
    assert request["search"] == {"strategy": "fuse", "candidates": 4}
    assert request["measure"] == "log_det_layerwise"
    assert request["labels"] == {"groups": [[1, 3, 5, 7, 9]], "rest": True, "balance": False}
    assert "image_size" not in request
    assert asked["target"]["labels"] == request["labels"]


def test_a_target_may_carry_the_name_of_a_baseline(http: httpx.Client, task_body: dict) -> None:
    http.post("/v1/tasks", json=task_body)
    assert http.post("/v1/recommendations", json=task_body).status_code == 202


def test_a_failure_is_shown_as_the_document_that_a_refusal_would_be(
    http: httpx.Client, asked: dict, engine: Engine
) -> None:
    reason = {"code": "broken_image", "detail": "row 17 is cut short", "field": "dataset.uri", "origin": "row 17"}
    with unit_of_work(engine) as registry:
        job = registry.leases.claim(asked["job_id"], worker="w", lease_seconds=60)
        assert job is not None
        registry.leases.fail(job.id, job.attempt, reason)
    for document in (poll(http, asked), http.get(f"/v1/jobs/{asked['job_id']}").json()):
        assert document["state"] == "failed"
        assert document["finished_at"] is not None
        assert document["error"] == {
            "type": "urn:ldnas:problem:broken-image",
            "title": "An image cannot be decoded",
            "status": 422,
            "detail": "row 17 is cut short",
            "instance": None,
            "code": "broken_image",
            "errors": [{"field": "dataset.uri", "origin": "row 17", "message": "row 17 is cut short"}],
        }


def test_cancelling_a_queued_one_ends_it_and_cancelling_again_changes_nothing(http: httpx.Client, asked: dict) -> None:
    for _ in range(2):
        answer = http.post(f"/v1/recommendations/{asked['id']}/cancel")
        assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")


def test_one_that_is_worked_on_is_not_deleted(http: httpx.Client, asked: dict) -> None:
    path = f"/v1/recommendations/{asked['id']}"
    assert http.delete(path).json()["code"] == "recommendation_busy"
    http.post(f"{path}/cancel")
    assert http.delete(path).status_code == 204
    assert http.get(path).status_code == 404
    assert http.get(f"/v1/tasks/{asked['target']['task_id']}").status_code == 404


def test_the_listing_shows_the_verdict_newest_first(http: httpx.Client, asked: dict, task_body: dict) -> None:
    later = http.post("/v1/recommendations", json=task_body | {"name": "later"}).json()
    items = http.get("/v1/recommendations").json()["items"]
    assert [item["id"] for item in items] == [later["id"], asked["id"]]
    assert items[0].items() >= {"name": "later", "state": "queued", "verdict": None}.items()


def test_an_unchanged_answer_costs_a_304_and_a_changed_one_does_not(
    http: httpx.Client, asked: dict, engine: Engine
) -> None:
    path = f"/v1/recommendations/{asked['id']}"
    tag = http.get(path).headers["ETag"]
    assert http.get(path, headers={"If-None-Match": tag}).status_code == 304
    with unit_of_work(engine) as registry:
        job = registry.leases.claim(asked["job_id"], worker="w", lease_seconds=60)
        assert job is not None
        registry.recommendations.merge_document(asked["id"], job.id, job.attempt, {"verdict": "tie"})
    assert http.get(path, headers={"If-None-Match": tag}).json()["verdict"] == "tie"
