"""How soon a poll is to come again."""

import httpx
import pytest

from worker.registry import Engine, unit_of_work


@pytest.mark.parametrize(("eta", "pause"), [(None, "2"), (200.0, "20"), (3.0, "1"), (10_000.0, "60")])
def test_a_poll_of_a_running_job_says_when_to_come_again(
    http: httpx.Client, engine: Engine, task_body: dict, eta: float | None, pause: str
) -> None:
    asked = http.post("/v1/recommendations", json=task_body).json()
    with unit_of_work(engine) as registry:
        job = registry.leases.claim(asked["job_id"], worker="w", lease_seconds=60)
        assert job is not None
        registry.leases.progress(job.id, job.attempt, stage="fit", fraction=0.2, message="", eta_seconds=eta)
    for path in (f"recommendations/{asked['id']}", f"jobs/{job.id}", f"tasks/{asked['target']['task_id']}"):
        answer = http.get(f"/v1/{path}")
        assert answer.headers["Retry-After"] == pause
        unchanged = http.get(f"/v1/{path}", headers={"If-None-Match": answer.headers["ETag"]})
        assert (unchanged.status_code, unchanged.headers["Retry-After"]) == (304, pause)


def test_what_has_ended_is_not_to_be_polled_again(http: httpx.Client, engine: Engine, task_body: dict) -> None:
    asked = http.post("/v1/tasks", json=task_body).json()
    with unit_of_work(engine) as registry:
        registry.jobs.request_cancel(asked["job_id"])
    for path in (f"tasks/{asked['id']}", f"jobs/{asked['job_id']}"):
        assert "Retry-After" not in http.get(f"/v1/{path}").headers
