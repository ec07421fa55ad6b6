"""How jobs are found (due jobs, equal requests, lists, events), alike on SQLite and PostgreSQL."""

import pytest

from tests.contracts.jobs import claim, queue_job, release
from worker.errors import DuplicateRequestError, IdempotencyKeyReusedError, NotFoundError
from worker.registry import Engine, JobState, reading, unit_of_work


def test_jobs_are_due_by_priority_then_age_and_again_when_no_worker_came(engine: Engine) -> None:
    first, second = queue_job(engine), queue_job(engine)
    urgent = queue_job(engine, priority=5)
    with unit_of_work(engine) as registry:
        assert registry.jobs.due(60) == [urgent, first, second]
        assert registry.jobs.due(60, limit=1) == [urgent]
        registry.jobs.mark_published([urgent, first], due_at=registry.jobs.now())
        assert registry.jobs.due(60) == [second]
        assert registry.jobs.due(-1.0) == [urgent, first, second]


def test_a_job_that_went_back_is_rung_for_at_once(engine: Engine) -> None:
    job_id = queue_job(engine)
    with unit_of_work(engine) as registry:
        registry.jobs.mark_published([job_id], due_at=registry.jobs.now())
    release(engine, job_id, claim(engine, job_id))
    with reading(engine) as registry:
        assert registry.jobs.due(60) == [job_id]


def test_a_job_that_came_back_while_its_message_was_under_way_is_rung_for_at_once(engine: Engine) -> None:
    job_id = queue_job(engine)
    with reading(engine) as registry:
        due_at = registry.jobs.now()
        assert registry.jobs.due(60) == [job_id]
    release(engine, job_id, claim(engine, job_id))
    with unit_of_work(engine) as registry:
        registry.jobs.mark_published([job_id], due_at=due_at)
        assert registry.jobs.due(60) == [job_id]


def test_an_equal_request_under_a_key_finds_the_first_job(engine: Engine) -> None:
    job_id = queue_job(engine, idempotency_key="k", request_hash="h")
    with reading(engine) as registry:
        found = registry.jobs.find_request("local", "k", "h")
        assert found is not None
        assert found.id == job_id
        assert registry.jobs.find_request("other", "k", "h") is None
        with pytest.raises(IdempotencyKeyReusedError):
            registry.jobs.find_request("local", "k", "another")
    with pytest.raises(DuplicateRequestError):
        queue_job(engine, idempotency_key="k", request_hash="h")
    queue_job(engine, idempotency_key="k", request_hash="h", owner="other")


def test_an_id_may_be_given_before_its_job_is_there(engine: Engine) -> None:
    assert queue_job(engine, id="1" * 32) == "1" * 32


def test_lists_are_paged_newest_first(engine: Engine) -> None:
    ids = [queue_job(engine) for _ in range(5)][::-1]
    claim(engine, ids[1])
    with reading(engine) as registry:
        first = registry.jobs.list(limit=2)
        assert [job.id for job in first] == ids[:2]
        assert [job.id for job in registry.jobs.list(limit=9, after=first[-1].id)] == ids[2:]
        assert [job.id for job in registry.jobs.list(state="running")] == [ids[1]]
        assert registry.jobs.list(kind="register_task") == []


def test_an_unknown_job_is_not_found(engine: Engine) -> None:
    with reading(engine) as registry, pytest.raises(NotFoundError, match="job"):
        registry.jobs.get("nothing")


def test_the_latest_events_of_some_kinds_come_in_the_order_in_which_they_happened(engine: Engine) -> None:
    job_id = queue_job(engine)
    attempt = claim(engine, job_id)
    with unit_of_work(engine) as registry:
        for number in range(6):
            registry.leases.add_event(job_id, attempt, "round" if number % 2 else "epoch", {"number": number})
        registry.leases.add_event(job_id, attempt, "stage", {"number": 6})
        latest = registry.jobs.events_of_kinds(job_id, ("round", "stage"), limit=3)
    assert [event.data["number"] for event in latest] == [3, 5, 6]


REQUESTS = ({}, {"dataset": {"uri": "builtin://digits"}}, {})
FOUND = {"verdict": "closest", "closest": {"name": "x"}, "test": {"accuracy": 0.5}, "architecture": {"parameters": 7}}
DOCUMENTS = ({}, FOUND, {"closest": {"name": None}, "verdict": None, "test": {}})


def test_recommendations_are_listed_by_the_state_of_their_job(engine: Engine) -> None:
    jobs = [queue_job(engine) for _ in range(3)]
    with unit_of_work(engine) as registry:
        ids = [
            registry.recommendations.insert(job_id=job_id, task_id="t", request=request, document=document).id
            for job_id, request, document in zip(jobs, REQUESTS, DOCUMENTS, strict=True)
        ]
    claim(engine, jobs[1])
    with reading(engine) as registry:
        assert {row.id for row in registry.recommendations.lines(state=JobState.QUEUED)} == {ids[0], ids[2]}
        (found,) = registry.recommendations.lines(state=JobState.RUNNING)
        assert registry.recommendations.lines(state=JobState.FAILED) == []
        every = registry.recommendations.lines()
        assert [line.id for line in registry.recommendations.lines(limit=1, after=every[0].id)] == [every[1].id]
    fields = (found.id, found.uri, found.state, found.verdict, found.closest, found.accuracy, found.parameters)
    assert fields == (ids[1], "builtin://digits", JobState.RUNNING, "closest", "x", 0.5, 7)
    known = [(line.uri, line.verdict, line.closest, line.accuracy) for line in every if line.id != ids[1]]
    assert known == [(None, None, None, None)] * 2
    assert len(every) == 3
