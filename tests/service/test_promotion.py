"""A finished target becomes a baseline."""

from typing import Any

import httpx
import pytest

from worker.registry import Engine, unit_of_work


@pytest.fixture
def asked(http: httpx.Client, task_body: dict) -> dict[str, Any]:
    answer: dict[str, Any] = http.post("/v1/recommendations", json=task_body | {"name": "primes"}).json()
    return answer


@pytest.fixture
def finished(asked: dict[str, Any], engine: Engine) -> dict[str, Any]:
    finish(engine, asked["job_id"])
    return asked


def finish(engine: Engine, job_id: str) -> None:
    with unit_of_work(engine) as registry:
        job = registry.leases.claim(job_id, worker="w", lease_seconds=60)
        assert job is not None
        registry.leases.finish(job.id, job.attempt, {})


def promote(http: httpx.Client, asked: dict[str, Any], **body: Any) -> httpx.Response:
    return http.post(f"/v1/recommendations/{asked['id']}/promote", json=body)


def baselines(http: httpx.Client) -> list[str]:
    return [task["name"] for task in http.get("/v1/tasks", params={"role": "baseline"}).json()["items"]]


def test_the_target_is_a_baseline_under_its_own_name(http: httpx.Client, finished: dict) -> None:
    answer = http.post(f"/v1/recommendations/{finished['id']}/promote")
    assert answer.status_code == 200
    task = answer.json()
    assert (task["id"], task["role"], task["state"]) == (finished["target"]["task_id"], "baseline", "succeeded")
    assert baselines(http) == [task["name"]] == ["primes"]


def test_another_name_may_be_given_and_a_second_time_changes_nothing(http: httpx.Client, finished: dict) -> None:
    first = promote(http, finished, name="prime digits")
    assert first.json()["name"] == "prime digits"
    assert promote(http, finished, name="prime digits").json() == first.json()
    assert promote(http, finished).json() == first.json()
    assert baselines(http) == ["prime digits"]


def test_a_baseline_keeps_its_name(http: httpx.Client, finished: dict) -> None:
    promote(http, finished)
    again = promote(http, finished, name="other")
    assert (again.status_code, again.json()["code"]) == (409, "not_promotable")
    assert "'primes'" in again.json()["detail"]
    assert baselines(http) == ["primes"]


def test_what_has_not_succeeded_stays_a_target(http: httpx.Client, asked: dict) -> None:
    refusal = promote(http, asked)
    assert (refusal.status_code, refusal.json()["code"]) == (409, "not_promotable")
    assert "queued, not succeeded" in refusal.json()["detail"]
    assert baselines(http) == []


def test_a_taken_name_is_refused_and_the_target_stays_one(http: httpx.Client, finished: dict, task_body: dict) -> None:
    assert http.post("/v1/tasks", json=task_body | {"name": "primes"}).status_code == 202
    refusal = promote(http, finished)
    assert (refusal.status_code, refusal.json()["code"]) == (409, "name_taken")
    assert promote(http, finished, name="primes too").status_code == 200


def test_an_unknown_recommendation_and_an_impossible_name_are_refused(http: httpx.Client, finished: dict) -> None:
    assert promote(http, {"id": "none"}).status_code == 404
    refusal = promote(http, finished, name="<b>")
    assert (refusal.status_code, refusal.json()["errors"][0]["field"]) == (422, "name")
