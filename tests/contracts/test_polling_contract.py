"""Quick polls, which use neither sessions nor threads, read the same rows as a session, or say that they cannot."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from benchmarks import service_store as store
from service.api.serializers import job_document, recommendation_document
from service.api.webhooks import webhook_document
from worker.registry import (
    JOB,
    RECOMMENDATION,
    Engine,
    JobKind,
    Question,
    QuickReader,
    Registry,
    job_of,
    read_only,
    reading,
    recommendation_of,
    unit_of_work,
)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy this machine is."""
    monkeypatch.setattr("worker.registry.quick_reader.PATIENCE_SECONDS", 60.0)


@pytest.fixture
def reader(engine: Engine) -> QuickReader:
    return QuickReader(engine)


def ask(reader: QuickReader, question: Question, **parameters: Any) -> Any:
    """Each time on an event loop of its own."""
    return asyncio.run(reader.ask_once(question, **parameters))


def test_jobs_and_recommendations_read_as_a_session_reads_them(engine: Engine, reader: QuickReader) -> None:
    store.fill(engine, store.Size(tasks=2, ended=102))
    with reading(engine) as registry:
        jobs = registry.jobs.list(limit=200)
        recommendations = registry.recommendations.list(limit=200)
        assert {job.state.value for job in jobs} == {"succeeded", "failed", "cancelled"}
        for job in jobs:
            [row] = ask(reader, JOB, id=job.id)
            assert job_document(job_of(row)) == job_document(job)
        for recommendation in recommendations[:8]:
            [row] = ask(reader, RECOMMENDATION, id=recommendation.id)
            job = registry.jobs.get(recommendation.job_id)
            found, its_job, webhook = recommendation_of(row)
            assert webhook is None
            assert recommendation_document(found, its_job) == recommendation_document(recommendation, job)
            with read_only(engine).connect() as connection:
                assert connection.execute(RECOMMENDATION, {"id": recommendation.id}).one() == row
    assert [*ask(reader, JOB, id="0" * 32)] == []


def test_a_job_under_way_reads_as_it_is_now(engine: Engine, reader: QuickReader) -> None:
    with unit_of_work(engine) as registry:
        job_id = registry.jobs.insert(JobKind.RECOMMEND, {"task_id": "ü", "list": [1, 2.5, None]}).id
    seen = [ask(reader, JOB, id=job_id)]
    with unit_of_work(engine) as registry:
        registry.leases.claim(job_id, worker="w", lease_seconds=60)
    seen.append(ask(reader, JOB, id=job_id))
    with unit_of_work(engine) as registry:
        registry.leases.progress(job_id, 1, stage="fit", fraction=0.25, message="a", eta_seconds=3.5)
        assert ask(reader, JOB, id=job_id) == seen[-1], "a write that is not committed is not read"
    seen.append(ask(reader, JOB, id=job_id))
    with unit_of_work(engine) as registry:
        registry.jobs.request_cancel(job_id)
    seen.append(ask(reader, JOB, id=job_id))
    assert len({repr(rows) for rows in seen}) == len(seen)
    with reading(engine) as registry:
        assert job_document(job_of(seen[-1][0])) == job_document(registry.jobs.get(job_id))


def test_a_webhook_reads_as_a_session_reads_it(engine: Engine, reader: QuickReader) -> None:
    with unit_of_work(engine) as registry:
        job_id = registry.jobs.insert(JobKind.RECOMMEND, {}).id
        asked = registry.recommendations.insert(job_id=job_id, task_id="t", request={})
        registry.webhooks.insert(job_id, "https://example.org:8443/hook", "secret")

    def end(registry: Registry) -> None:
        registry.jobs.request_cancel(job_id)

    def attempt(registry: Registry) -> None:
        claimed = registry.webhooks.claim(60.0)
        assert claimed is not None
        registry.webhooks.put_off(claimed, status=503, error="busy", seconds=60.0)

    def retry_and_end(registry: Registry) -> None:
        registry.jobs.retry(job_id)
        registry.jobs.request_cancel(job_id)

    seen = []
    for change in (None, end, attempt, retry_and_end):
        with engine.begin() as connection:  # so that no two deliveries have the same age
            connection.execute(text("UPDATE webhook_deliveries SET created_at = created_at - 1"))
        if change is not None:
            with unit_of_work(engine) as registry:
                change(registry)
        [row] = ask(reader, RECOMMENDATION, id=asked.id)
        with reading(engine) as registry:
            document = webhook_document(registry.webhooks.status(job_id))
        assert webhook_document(recommendation_of(row)[2]) == document is not None
        seen.append((document.state, document.attempts))
    assert seen == [("waiting", 0), ("pending", 0), ("pending", 1), ("pending", 0)]


@pytest.mark.parametrize(("rest_seconds", "then"), [(0.0, []), (1000.0, None)])
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_broken_connection_leaves_polls_to_a_transaction_until_another_is_opened(
    engine: Engine, rest_seconds: float, then: list[Any] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.registry.quick_reader.REST_SECONDS", rest_seconds)
    reader = QuickReader(engine)

    async def asked() -> list[Any]:
        first = await reader.ask_once(JOB, id="x")
        with engine.connect() as connection:
            others = "datname = current_database() AND pid <> pg_backend_pid()"
            connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
        return [first, await reader.ask_once(JOB, id="x"), await reader.ask_once(JOB, id="x")]

    assert asyncio.run(asked()) == [[], None, then]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_poll_that_waits_too_long_is_left_to_a_transaction(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.registry.quick_reader.PATIENCE_SECONDS", 3.0)  # shorter than any limit of a session
    reader = QuickReader(engine)

    async def asked() -> Any:
        assert await reader.ask_once(JOB, id="x") == []
        with engine.connect() as connection:
            connection.execute(text("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE"))
            return await reader.ask_once(JOB, id="x")

    assert asyncio.run(asked()) is None
