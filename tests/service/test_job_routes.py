"""Listing jobs, cancelling and retrying them."""

from typing import Any

import httpx
import pytest

from worker.registry import Engine, unit_of_work


@pytest.fixture
def job(http: httpx.Client, task_body: dict) -> dict[str, Any]:
    task = http.post("/v1/tasks", json=task_body).json()
    return http.get(f"/v1/jobs/{task['job_id']}").json()


def test_a_job_shows_what_a_client_can_use_and_nothing_of_its_lease(job: dict) -> None:
    assert job.items() >= {"kind": "register_task", "state": "queued", "attempt": 0, "error": None}.items()
    assert not {"lease_owner", "lease_until", "checkpoint", "request_hash", "owner"} & set(job)
    assert job["created_at"].endswith("Z")


def test_jobs_are_filtered_by_state_and_kind(http: httpx.Client, job: dict, task_body: dict) -> None:
    asked = http.post("/v1/recommendations", json=task_body).json()
    http.post(f"/v1/jobs/{job['id']}/cancel")

    def ids(**query: str) -> list[str]:
        return [item["id"] for item in http.get("/v1/jobs", params=query).json()["items"]]

    assert ids() == [asked["job_id"], job["id"]]
    assert ids(kind="recommend") == [asked["job_id"]]
    assert ids(state="cancelled") == [job["id"]]
    assert ids(state="cancelled", kind="recommend") == []


def test_a_running_job_is_asked_to_end(http: httpx.Client, job: dict, engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        registry.leases.claim(job["id"], worker="w", lease_seconds=60)
    answer = http.post(f"/v1/jobs/{job['id']}/cancel")
    assert (answer.status_code, answer.json()["state"], answer.json()["cancel_requested"]) == (202, "running", True)


def test_only_a_job_that_failed_or_was_cancelled_is_tried_again(http: httpx.Client, job: dict) -> None:
    path = f"/v1/jobs/{job['id']}"
    refused = http.post(f"{path}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "job_not_retriable")
    http.post(f"{path}/cancel")
    answer = http.post(f"{path}/retry")
    assert (answer.status_code, answer.json()["state"]) == (202, "queued")
    assert answer.json()["finished_at"] is None


@pytest.mark.parametrize("action", ["cancel", "retry"])
def test_an_unknown_job_is_not_found(http: httpx.Client, action: str) -> None:
    assert http.post(f"/v1/jobs/{'0' * 32}/{action}").status_code == 404
