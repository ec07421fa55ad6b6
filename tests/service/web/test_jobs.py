"""The pages of jobs: running, waiting and failed jobs, the workers, and the history of one job."""

from typing import Any

import httpx
import pytest

from worker.registry import Engine, JobKind, TaskRole, reading, unit_of_work

HTML = {"Accept": "text/html"}
HOSTILE = "<script>alert(1)</script>"
TASK = {"dataset": {}, "labels": None, "epsilon": 0.2, "repetitions": 1, "seed": 0}
FAILURE = {"code": "broken_image", "detail": f"{HOSTILE} cannot be decoded", "field": None, "origin": "a.png"}


def add_job(engine: Engine, name: str, *, running: bool = False, failed: bool = False, priority: int = 0) -> str:
    """A job that registers a task of this name."""
    with unit_of_work(engine) as registry:
        job = registry.jobs.insert(JobKind.REGISTER_TASK, {}, priority=priority)
        task = registry.tasks.insert(name=name, role=TaskRole.BASELINE, job_id=job.id, **TASK)
        job.params = {"task_id": task.id}
        if running or failed:
            registry.leases.claim(job.id, worker="host:1:abc:cpu", lease_seconds=60)
            registry.leases.progress(job.id, 1, stage="fit", fraction=0.25, message="network 1 of 3", eta_seconds=90.0)
        if failed:
            registry.leases.fail(job.id, 1, FAILURE)
        return job.id


def add_worker(engine: Engine, **columns: Any) -> None:
    row = {"id": "w", "name": "host:1:abc", "host": "host", "devices": ["cpu"], "gpus": [], "version": "1"}
    with unit_of_work(engine) as registry:
        registry.workers.beat(**row | {"heartbeat_seconds": 15.0} | columns)


def text_of(http: httpx.Client, path: str) -> str:
    answer = http.get(path, headers=HTML)
    assert answer.status_code == 200, answer.text
    return " ".join(answer.text.split())


def section(text: str, name: str) -> str:
    return text.split(f'id="{name}"')[1].split("</section>")[0]


def test_a_page_without_jobs_and_workers_says_so(http: httpx.Client) -> None:
    text = text_of(http, "/jobs")
    for words in ("No job is running.", "No job is waiting.", "No job has failed.", "No worker is registered"):
        assert words in text


def test_running_waiting_and_failed_jobs_have_their_own_sections(http: httpx.Client, engine: Engine) -> None:
    add_job(engine, "at work", running=True)
    failed = add_job(engine, "broken", failed=True)
    add_job(engine, "patient")
    add_job(engine, "urgent", priority=5)
    add_worker(engine)
    text = text_of(http, "/jobs")
    running = section(text, "running")
    for words in ("at work", "network 1 of 3", "1 min 30 s left", 'value="0.25"', "host:1:abc:cpu", "lease for"):
        assert words in running
    waiting = section(text, "queued")
    assert waiting.index("urgent") < waiting.index("patient")
    assert f'data-post="/v1/jobs/{failed}/retry"' in section(text, "failed")
    assert "An image cannot be decoded." in section(text, "failed")
    workers = section(text, "workers")
    for words in ("alive", "1 of 1", "register task", "fit"):
        assert words in workers


def test_what_others_wrote_stays_text(http: httpx.Client, engine: Engine) -> None:
    job = add_job(engine, HOSTILE, failed=True)
    add_worker(engine, host=HOSTILE, version=HOSTILE)
    for path in ("/jobs", "/jobs?state=all", f"/jobs/{job}"):
        assert HOSTILE not in text_of(http, path)


def test_all_jobs_of_a_state_come_in_pages(http: httpx.Client, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.dashboard.pages.jobs.LISTED", 2)
    for number in range(3):
        add_job(engine, f"job {number}")
    add_job(engine, "another", failed=True)
    text = text_of(http, "/jobs?state=queued")
    assert ("job 2" in text, "job 0" in text, "another" in text) == (True, False, False)
    address = text.split('rel="next"')[0].rpartition('href="')[2].split('"')[0].replace("&amp;", "&")
    older = text_of(http, address)
    assert ("job 0" in older, "job 2" in older, 'rel="next"' in older) == (True, False, False)


@pytest.mark.parametrize("kind", list(JobKind))
def test_every_kind_of_job_has_a_line_and_a_page(http: httpx.Client, engine: Engine, kind: JobKind) -> None:
    with unit_of_work(engine) as registry:
        params = {"task_id": "gone"} if kind is JobKind.REGISTER_TASK else {}
        job = registry.jobs.insert(kind, params)
    assert "a deleted object" in text_of(http, f"/jobs/{job.id}")
    assert "(deleted)" in text_of(http, "/jobs")


def test_a_recommendation_is_called_by_its_name_and_leads_to_its_page(http: httpx.Client, engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        job = registry.jobs.insert(JobKind.RECOMMEND, {})
        answer = registry.recommendations.insert(name="primes", job_id=job.id, task_id="t", request={}, document={})
        job.params = {"recommendation_id": answer.id, "task_id": "t"}
    assert f'href="/recommendations/{answer.id}">primes</a>' in text_of(http, "/jobs")


def test_a_job_shows_its_history_and_its_reason(http: httpx.Client, engine: Engine) -> None:
    job = add_job(engine, "broken", failed=True)
    with reading(engine) as registry:
        assert registry.jobs.get(job).state == "failed"
    text = text_of(http, f"/jobs/{job}")
    assert "An image cannot be decoded." in text
    assert "from <code>a.png</code>" in text
    assert "data-events" not in text
    log = text.split('id="log"')[1]
    assert log.index("state failed") < log.index("state running, attempt 1") < log.index("state queued, attempt 0")


def test_a_job_under_way_is_followed_and_can_be_cancelled(http: httpx.Client, engine: Engine) -> None:
    job = add_job(engine, "at work", running=True)
    text = text_of(http, f"/jobs/{job}")
    assert f'data-events="/v1/jobs/{job}/events"' in text
    assert f'data-post="/v1/jobs/{job}/cancel"' in text
    http.post(f"/v1/jobs/{job}/cancel")
    text = text_of(http, f"/jobs/{job}")
    assert "is being cancelled" in text
    assert "/cancel" not in text


def test_a_job_that_is_not_there_is_not_found(http: httpx.Client) -> None:
    assert http.get(f"/jobs/{'0' * 32}", headers=HTML).status_code == 404
    assert http.get("/jobs?state=lost", headers=HTML).status_code == 422
