"""`POST /v1/architectures/{id}/train`: a target task and a job, all checks before either."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from service.client import Client
from service.client.errors import RequestRefusedError
from worker.registry import Engine, unit_of_work

DIGITS = {"dataset": {"uri": "builtin://digits"}}
SPLITS = ("train", "validation", "test")


@pytest.fixture
def architecture(http: httpx.Client, engine: Engine) -> str:
    asked = http.post("/v1/recommendations", json=DIGITS).json()
    documents = {name: {} for name in ("genotype", "validation", "test")}
    with unit_of_work(engine) as registry:
        return registry.architectures.insert_once(
            recommendation_id=asked["id"],
            job_id=asked["job_id"],
            name="mine",
            skeleton={},
            preprocessing={"image_size": 24},
            class_names=["a", "b"],
            parameters=7,
            macs=11,
            **documents,
            **{file: file for file in ("weights", "code", "program", "onnx", "card")},
        ).id


def train(http: httpx.Client, architecture: str, key: str | None = None, **body: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return http.post(f"/v1/architectures/{architecture}/train", json=body, headers=headers)


def jobs_of(http: httpx.Client) -> list[dict[str, Any]]:
    return http.get("/v1/jobs", params={"kind": "train_architecture"}).json()["items"]


def test_training_again_makes_a_target_and_a_job(http: httpx.Client, architecture: str) -> None:
    labels = {"groups": [[0, 6, 8, 9]], "rest": True}
    answer = train(http, architecture, **DIGITS, labels=labels, name="round", seed=3, priority=5, image_size=32)
    assert answer.status_code == 202
    accepted = answer.json()
    assert answer.headers["Location"] == f"/v1/jobs/{accepted['job_id']}"
    assert (accepted["state"], accepted["name"]) == ("queued", "round")
    [job] = jobs_of(http)
    assert (job["id"], job["priority"]) == (accepted["job_id"], 5)
    assert job["params"]["source_architecture_id"] == architecture
    assert job["params"]["architecture_id"] == accepted["architecture_id"] != architecture
    task = http.get(f"/v1/tasks/{accepted['task_id']}").json()
    assert (task["role"], task["name"], task["seed"], task["image_size"]) == ("target", "round", 3, 32)
    assert task["labels"] == labels | {"balance": False}
    assert task["job_id"] == accepted["job_id"]
    # 178 + 181 + 174 + 180 scans of 0, 6, 8 and 9, of 1,797 in all.
    images = {count["name"]: sum(count[split] for split in SPLITS) for count in accepted["class_counts"]}
    assert images == {"0|6|8|9": 713, "rest": 1084}
    assert accepted["class_counts"] == task["class_counts"]


def test_a_repeated_request_is_answered_also_after_its_task_was_deleted(http: httpx.Client, architecture: str) -> None:
    first = train(http, architecture, "k", **DIGITS).json()
    http.post(f"/v1/jobs/{first['job_id']}/cancel")
    assert http.delete(f"/v1/tasks/{first['task_id']}").status_code == 204
    repeated = train(http, architecture, "k", **DIGITS).json()
    assert repeated == first | {"state": "cancelled", "class_counts": None}


def test_the_documented_example_is_accepted_as_it_stands(http: httpx.Client, architecture: str) -> None:
    document = http.get("/openapi.json").json()
    for example in document["components"]["schemas"]["TrainingRequest"]["examples"]:
        assert train(http, architecture, **example).status_code == 202


def test_omitted_fields_come_from_the_architecture(http: httpx.Client, architecture: str) -> None:
    accepted = train(http, architecture, **DIGITS).json()
    task = http.get(f"/v1/tasks/{accepted['task_id']}").json()
    assert (task["name"], task["image_size"], task["labels"]) == ("mine again", 24, None)


def test_one_key_trains_once(http: httpx.Client, architecture: str) -> None:
    first = train(http, architecture, "k", **DIGITS)
    assert train(http, architecture, "k", **DIGITS).json() == first.json()
    assert len(jobs_of(http)) == 1
    assert train(http, architecture, "k", **DIGITS, seed=1).json()["code"] == "idempotency_key_reused"


def test_one_key_for_another_architecture_is_another_request(http: httpx.Client, architecture: str) -> None:
    train(http, architecture, "k", **DIGITS)
    other = train(http, "0" * 32, "k", **DIGITS)
    assert other.json()["code"] == "idempotency_key_reused"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "dataset"),
        ({"dataset": {"uri": "builtin://letters"}}, "dataset.uri"),
        ({"dataset": {"uri": "file:///etc"}}, "dataset.uri"),
        (DIGITS | {"labels": {"groups": []}}, "labels"),
        (DIGITS | {"image_size": 7}, "image_size"),
        (DIGITS | {"image_size": 32.0}, "image_size"),
        (DIGITS | {"seed": -1}, "seed"),
        (DIGITS | {"name": "a/b"}, "name"),
        (DIGITS | {"network": "small_cnn"}, "network"),
    ],
)
def test_a_refusal_names_the_field_and_stores_nothing(
    http: httpx.Client, architecture: str, body: dict, field: str
) -> None:
    answer = train(http, architecture, **body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith(field)
    assert jobs_of(http) == []


def test_an_unknown_architecture_cannot_be_trained(http: httpx.Client) -> None:
    assert train(http, "0" * 32, **DIGITS).status_code == 404
    assert jobs_of(http) == []


def test_the_client_asks_for_it(app: FastAPI, http: httpx.Client, architecture: str) -> None:
    def forward(request: httpx.Request) -> httpx.Response:
        answer = http.request(request.method, request.url, headers=request.headers, content=request.read())
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    with Client("http://service", transport=httpx.MockTransport(forward)) as client:
        asked = client.train_architecture(architecture, "builtin://digits", name="round", seed=2)
        assert (asked.label, asked.status()["params"]["name"]) == ("round", "round")
        with pytest.raises(RequestRefusedError):
            asked.get()  # it is there when its training has ended
        assert [found["id"] for found in client.architectures()] == [architecture]
        assert client.architecture(architecture)["name"] == "mine"
