"""Polls: an answer has the stored state, and an answer that has not changed is not made again."""

import json
from typing import Any
from unittest.mock import AsyncMock

import httpx
import pytest

from service.api.polling import polls
from worker.registry import Engine, QuickReader, unit_of_work

QUICK = pytest.mark.parametrize("quick", [True, False], ids=["quick", "in a thread"])


@pytest.fixture
def asked(http: httpx.Client, task_body: dict[str, Any]) -> dict[str, Any]:
    """A recommendation that waits."""
    return http.post("/v1/recommendations", json=task_body).raise_for_status().json()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows with every answer that is made from now on."""
    made: list[str] = []
    real = polls._rendered
    monkeypatch.setattr(polls, "_rendered", lambda document: made.append(document.id) or real(document))
    return made


@pytest.fixture
def slow(quick: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not quick:
        monkeypatch.setattr(QuickReader, "ask_once", AsyncMock(return_value=None))


@QUICK
def test_an_answer_is_made_again_when_anything_has_changed_and_only_then(
    http: httpx.Client, made: list[str], asked: dict[str, Any], engine: Engine, slow: None
) -> None:
    for path in (f"/v1/recommendations/{asked['id']}", f"/v1/jobs/{asked['job_id']}"):
        first = [http.get(path) for _ in range(3)]
        assert (len(made), len({answer.content for answer in first})) == (1, 1)
        assert first[0].json()["state"] == "queued"
        assert (first[2].headers["ETag"], first[2].headers["Retry-After"]) == (first[0].headers["ETag"], "2")
        made.clear()
    with unit_of_work(engine) as registry:
        registry.leases.claim(asked["job_id"], worker="w", lease_seconds=60)
        registry.leases.progress(asked["job_id"], 1, stage="fit", fraction=0.5, message="half", eta_seconds=200)
        registry.recommendations.merge_document(asked["id"], asked["job_id"], 1, {"verdict": "closest"})
    for path in (f"/v1/recommendations/{asked['id']}", f"/v1/jobs/{asked['job_id']}"):
        second = [http.get(path) for _ in range(2)]
        assert len(made) == 1
        assert (second[1].json()["state"], second[1].json()["progress"]["fraction"]) == ("running", 0.5)
        assert second[1].headers["Retry-After"] == "20"
        made.clear()
    assert http.get(f"/v1/recommendations/{asked['id']}").json()["verdict"] == "closest"


@QUICK
def test_one_that_was_deleted_is_gone_at_once(
    http: httpx.Client, other_http: httpx.Client, asked: dict[str, Any], slow: None
) -> None:
    path = f"/v1/recommendations/{asked['id']}"
    assert http.get(path).status_code == 200
    other_http.post(f"{path}/cancel")
    assert http.get(path).json()["state"] == "cancelled"
    assert other_http.delete(path).status_code == 204
    answer = http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert asked["id"] in answer.json()["detail"]


def test_the_state_of_a_webhook_is_shown_at_once(
    http: httpx.Client, made: list[str], asked: dict[str, Any], engine: Engine
) -> None:
    path = f"/v1/recommendations/{asked['id']}"
    assert http.get(path).json()["webhook"] is None
    with unit_of_work(engine) as registry:
        registry.webhooks.insert(asked["job_id"], "https://example.org/", "secret")
    assert [http.get(path).json()["webhook"]["state"] for _ in range(2)] == ["waiting", "waiting"]
    http.post(f"{path}/cancel")
    assert http.get(path).json()["webhook"]["state"] == "pending"
    assert len(made) == 3, "once for each state"


def test_a_large_answer_is_made_in_a_thread_and_alike(
    http: httpx.Client, asked: dict[str, Any], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = http.get(f"/v1/recommendations/{asked['id']}")
    threads = AsyncMock(wraps=polls.run_in_threadpool)
    monkeypatch.setattr(polls, "run_in_threadpool", threads)
    monkeypatch.setattr(polls, "LARGE", 10)
    with unit_of_work(engine) as registry:
        registry.leases.claim(asked["job_id"], worker="w", lease_seconds=60)
        registry.recommendations.merge_document(asked["id"], asked["job_id"], 1, {"warnings": ["w"]})
    large = http.get(f"/v1/recommendations/{asked['id']}")
    assert threads.await_count == 1
    changed = {"warnings": ["w"], "state": "running"}
    assert large.json() == json.loads(small.content) | changed
