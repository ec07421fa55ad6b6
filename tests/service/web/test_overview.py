"""The first page: the installation in numbers, the running jobs, the latest networks, and the first steps."""

import httpx

from worker.registry import Engine, JobKind, TaskRole, unit_of_work

HOSTILE = "<script>alert(1)</script>"
TASK = {"dataset": {}, "labels": None, "epsilon": 0.2, "repetitions": 1, "seed": 0}
ANSWER = {
    "verdict": "closest",
    "closest": {"name": "odd or even"},
    "test": {"accuracy": 0.975, "interval": [0.96, 0.99]},
    "architecture": {"parameters": 30434},
}


def text_of(http: httpx.Client) -> str:
    answer = http.get("/", headers={"Accept": "text/html"})
    assert answer.status_code == 200, answer.text
    return " ".join(answer.text.split())


def tile(text: str, name: str) -> str:
    """What stands in the tile that leads to this address."""
    return text.split(f'<li><a href="{name}"')[1].split("</li>")[0]


def add_recommendation(engine: Engine, name: str, document: dict, *, fraction: float | None = None) -> str:
    """One that has ended, or that is so far."""
    with unit_of_work(engine) as registry:
        job = registry.jobs.insert(JobKind.RECOMMEND, {})
        task = registry.tasks.insert(name=name, role=TaskRole.TARGET, job_id=job.id, **TASK)
        answer = registry.recommendations.insert(
            name=name, job_id=job.id, task_id=task.id, request={}, document=document
        )
        job.params = {"recommendation_id": answer.id, "task_id": task.id}
        registry.leases.claim(job.id, worker="host:1:abc:cpu", lease_seconds=60)
        if fraction is None:
            registry.leases.finish(job.id, 1, {})
        else:
            registry.leases.progress(
                job.id, 1, stage="fit", fraction=fraction, message="network 1 of 3", eta_seconds=90
            )
        return answer.id


def test_an_empty_installation_shows_the_first_steps(http: httpx.Client) -> None:
    text = text_of(http)
    assert "First steps" in text
    assert 'data-copy="first-task"' in text
    assert "Latest recommendations" not in text
    assert "<strong>0</strong> <span>workers alive" in tile(text, "/jobs#workers")


def test_the_latest_answers_come_with_their_figures(http: httpx.Client, engine: Engine) -> None:
    answer = add_recommendation(engine, "primes", ANSWER)
    add_recommendation(engine, "squares", {"verdict": "no_close_task", "closest": {"name": None}, "test": None})
    text = text_of(http)
    assert f'<a href="/recommendations/{answer}">primes</a>' in text
    for words in ("odd or even", "97.5 %", "96.0 % to 99.0 %", "30,434", "no task is close"):
        assert words in text
    assert "First steps" not in text


def test_running_jobs_are_shown_with_their_progress(http: httpx.Client, engine: Engine) -> None:
    add_recommendation(engine, "primes", {}, fraction=0.25)
    text = text_of(http)
    for words in ('value="0.25"', "network 1 of 3, 1 min 30 s left", "25 %"):
        assert words in text
    assert "No worker is alive, so 1 job waits" in text
    assert "<strong>1</strong> <span>running" in tile(text, "/jobs")


def test_workers_and_baselines_are_counted(http: httpx.Client, engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        registry.workers.beat(
            id="w", name="host:1:abc", host="host", devices=["cpu"] * 2, gpus=[], version="1", heartbeat_seconds=15.0
        )
        for name in ("odd", "even"):
            job = registry.jobs.insert(JobKind.REGISTER_TASK, {})
            registry.tasks.insert(name=name, role=TaskRole.BASELINE, job_id=job.id, **TASK)
        registry.leases.claim(job.id, worker="host:1:abc:cpu", lease_seconds=60)
    text = text_of(http)
    assert "1 of 2 slots busy" in tile(text, "/jobs#workers")
    assert "2 more are not ready" in tile(text, "/tasks")


def test_what_others_wrote_stays_text(http: httpx.Client, engine: Engine) -> None:
    add_recommendation(engine, HOSTILE, ANSWER | {"closest": {"name": HOSTILE}}, fraction=0.5)
    assert HOSTILE not in text_of(http)
