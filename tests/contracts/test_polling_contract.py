"""Quick polls, which use neither sessions nor threads, read the same rows as a session, or say that they cannot."""

import asyncio
from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest
from sqlalchemy import text

from benchmarks import service_store as store
from service.api.serializers import job_document, recommendation_document
from worker.registry import (
    JOB,
    JOB_MARK,
    RECOMMENDATION,
    RECOMMENDATION_MARK,
    Engine,
    JobKind,
    Question,
    QuickReader,
    Registry,
    job_of,
    reading,
    recommendation_of,
    unit_of_work,
)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy this machine is."""
    monkeypatch.setattr("worker.registry.quick_postgresql.PATIENCE_SECONDS", 60.0)


@pytest.fixture
def reader(engine: Engine) -> QuickReader:
    return QuickReader(engine)


def ask(reader: QuickReader, question: Question, **parameters: Any) -> Any:
    """Each time on an event loop of its own."""
    return asyncio.run(reader.ask(question, **parameters))


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
            assert recommendation_document(*recommendation_of(row)) == recommendation_document(recommendation, job)
            assert not row[-1]
            assert [*registry.keys.ask(RECOMMENDATION, id=recommendation.id)[0]] == [*row]
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


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_mark_changes_with_whatever_is_written(engine: Engine, reader: QuickReader) -> None:
    with unit_of_work(engine) as registry:
        job_id = registry.jobs.insert(JobKind.RECOMMEND, {}).id
        recommendation_id = registry.recommendations.insert(job_id=job_id, task_id="t", request={}).id
        registry.jobs.insert(JobKind.RECOMMEND, {})
    questions = ((JOB, JOB_MARK, job_id), (RECOMMENDATION, RECOMMENDATION_MARK, recommendation_id))

    def now() -> list[tuple[Any, Any]]:
        return [(ask(reader, row, id=id), ask(reader, mark, id=id)) for row, mark, id in questions]

    seen = [now(), now()]
    assert seen[0] == seen.pop()
    changes: list[Callable[[Registry], object]] = [
        lambda registry: registry.leases.claim(job_id, worker="w", lease_seconds=60),
        lambda registry: registry.leases.progress(job_id, 1, stage="fit", fraction=0.5, message=""),
        lambda registry: registry.recommendations.merge_document(recommendation_id, job_id, 1, {"verdict": "tie"}),
        lambda registry: registry.jobs.request_cancel(job_id),
        lambda registry: registry.leases.confirm_cancel(job_id, 1),
        lambda registry: registry.jobs.retry(job_id),
    ]
    for change in changes:
        with unit_of_work(engine) as registry:
            change(registry)
        seen.append(now())
    for place in (0, 1):
        for (rows, marks), (later_rows, later_marks) in combinations([moment[place] for moment in seen], 2):
            assert marks != later_marks if rows != later_rows else True
    assert len({str(moment[1]) for moment in seen}) == len(seen), "each of them shows"


def test_a_webhook_is_noticed(engine: Engine, reader: QuickReader) -> None:
    with unit_of_work(engine) as registry:
        job_id = registry.jobs.insert(JobKind.RECOMMEND, {}).id
        found = registry.recommendations.insert(job_id=job_id, task_id="t", request={})
        registry.webhooks.insert(job_id, "https://example.org/", "secret")
    assert ask(reader, RECOMMENDATION, id=found.id)[0][-1]


@pytest.mark.parametrize(("rest_seconds", "then"), [(0.0, []), (1000.0, None)])
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_broken_connection_leaves_polls_to_a_transaction_until_another_is_opened(
    engine: Engine, rest_seconds: float, then: list[Any] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.registry.quick_postgresql.REST_SECONDS", rest_seconds)
    reader = QuickReader(engine)

    async def asked() -> list[Any]:
        first = await reader.ask(JOB, id="x")
        with engine.connect() as connection:
            others = "datname = current_database() AND pid <> pg_backend_pid()"
            connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
        return [first, await reader.ask(JOB, id="x"), await reader.ask(JOB, id="x")]

    assert asyncio.run(asked()) == [[], None, then]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_poll_that_waits_too_long_is_left_to_a_transaction(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.registry.quick_postgresql.PATIENCE_SECONDS", 3.0)  # shorter than any limit of a session
    reader = QuickReader(engine)

    async def asked() -> Any:
        assert await reader.ask(JOB, id="x") == []
        with engine.connect() as connection:
            connection.execute(text("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE"))
            return await reader.ask(JOB, id="x")

    assert asyncio.run(asked()) is None
