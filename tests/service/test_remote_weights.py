"""Requests for a race whose pretrained network has its weights on another host: the checks before a file is fetched."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from worker.registry import Engine, reading
from worker.settings import Settings

RACE: dict[str, Any] = {"dataset": {"uri": "builtin://digits"}, "search": {"strategy": "race"}}
FILE = "https://weights.example.org/resnet10t.safetensors?key=1"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, remote_hosts=("weights.example.org",))


def submitted(http: httpx.Client, weights: str) -> httpx.Response:
    return http.post(
        "/v1/recommendations", json=RACE | {"pretrained": {"architecture": "resnet10t", "weights": weights}}
    )


def test_a_file_on_an_allowed_host_is_taken_and_stored_as_written(http: httpx.Client, engine: Engine) -> None:
    answer = submitted(http, FILE)
    assert answer.status_code == 202, answer.text
    with reading(engine) as registry:
        assert registry.recommendations.get(answer.json()["id"]).request["pretrained"]["weights"] == FILE


def test_the_query_of_a_url_is_in_no_answer_and_on_no_page(http: httpx.Client, engine: Engine) -> None:
    images = {"uri": "https://weights.example.org/scans.zip?X-Amz-Signature=secret"}
    asked = RACE | {"dataset": images, "pretrained": {"architecture": "resnet10t", "weights": f"{FILE}secret"}}
    answer = http.post("/v1/recommendations", json=asked)
    assert answer.json()["target"]["dataset"] == {"uri": "https://weights.example.org/scans.zip?…"}
    task = http.post("/v1/tasks", json={"name": "scans", "dataset": images})
    assert task.json()["dataset"] == {"uri": "https://weights.example.org/scans.zip?…"}
    (answer_id, answer_job), (task_id, task_job) = (
        (made.json()["id"], made.json()["job_id"]) for made in (answer, task)
    )
    pages = (
        "",
        "/recommendations",
        f"/recommendations/{answer_id}",
        "/tasks",
        f"/tasks/{task_id}",
        f"/jobs/{answer_job}",
    )
    api = ("recommendations", f"recommendations/{answer_id}", "tasks", f"tasks/{task_id}", "jobs", f"jobs/{task_job}")
    answers = [http.get(f"/v1/{path}") for path in api]
    answers += [http.get(path or "/", headers={"Accept": "text/html"}) for path in pages]
    for shown in (answer, task, *answers):
        assert shown.is_success, shown.url
        assert "secret" not in shown.text, shown.url
    with reading(engine) as registry:
        assert registry.tasks.get(task_id).dataset == images, "the worker needs it"
        assert registry.recommendations.get(answer_id).request["dataset"] == images


@pytest.mark.parametrize(
    ("weights", "code", "words"),
    [
        ("https://other.example.org/w.safetensors", "forbidden_location", "the host other.example.org (port 443)"),
        ("https://weights.example.org:8443/w.safetensors", "forbidden_location", "port 8443"),
        ("https://me:secret@weights.example.org/w", "forbidden_location", "a user or a password"),
        ("s3://bucket/w.safetensors", "forbidden_location", "LDNAS_REMOTE_HOSTS"),
        ("s3://Bucket/w.safetensors", "invalid_reference", "Bucket"),
        ("https://weights.example.org/w#sha256=0", "invalid_reference", "a fragment"),
        ("https://weights.example.org/", "invalid_reference", "does not name a file"),
        ("https://[1/w", "invalid_reference", "is not a URI"),
        ("http://weights.example.org/w", "invalid_reference", "or https://… on a host of LDNAS_REMOTE_HOSTS"),
        ("file:///etc/w.safetensors", "invalid_reference", "dataset://NAME of an uploaded .safetensors file"),
        ("builtin://digits", "invalid_reference", "does not refer to weights"),
        ("http://weights.example.org/w?secret", "invalid_reference", "'http://weights.example.org/w?…' does not refer"),
        ("https://weights.example.org/w?…", "invalid_reference", "write the URL with its query"),
    ],
)
def test_a_file_that_cannot_be_fetched_is_refused_by_its_field(
    http: httpx.Client, weights: str, code: str, words: str
) -> None:
    answer = submitted(http, weights)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, code)
    assert [error["field"] for error in problem["errors"]] == ["pretrained.weights"]
    assert words in problem["detail"]
    assert "secret" not in answer.text
    assert http.get("/v1/recommendations").json()["items"] == []
