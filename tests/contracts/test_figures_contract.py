"""The numbers of the queue, alike on SQLite and PostgreSQL."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from worker.registry import (
    DatabaseNow,
    Engine,
    Happening,
    JobKind,
    JobRow,
    JobState,
    QueueFigures,
    reading,
    unit_of_work,
)


@pytest.fixture
def queue(engine: Engine) -> Callable[[], QueueFigures]:
    def read() -> QueueFigures:
        with reading(engine) as registry:
            return registry.figures.queue()

    return read


def tallied(queue: QueueFigures) -> dict[tuple[str, str, str], int]:
    return {(row.name, row.kind, row.label): row.occurrences for row in queue.tallies}


def insert(engine: Engine, kind: str = JobKind.RECOMMEND) -> str:
    with unit_of_work(engine) as registry:
        return registry.jobs.insert(kind, {}).id


def claim(engine: Engine, job_id: str, lease_seconds: float = 60) -> int:
    with unit_of_work(engine) as registry:
        job = registry.leases.claim(job_id, worker="w", lease_seconds=lease_seconds)
        assert job is not None
        return job.attempt


def test_an_empty_queue_has_no_numbers(queue: Callable[[], QueueFigures]) -> None:
    assert queue() == QueueFigures(jobs={}, oldest_due_seconds={}, tallies=[])


def test_jobs_are_counted_by_kind_and_state(engine: Engine, queue: Callable[[], QueueFigures]) -> None:
    insert(engine)
    claim(engine, insert(engine))
    insert(engine, JobKind.DISTANCES)
    insert(engine, JobKind.DISTANCES)
    assert queue().jobs == {
        (JobKind.RECOMMEND, JobState.QUEUED): 1,
        (JobKind.RECOMMEND, JobState.RUNNING): 1,
        (JobKind.DISTANCES, JobState.QUEUED): 2,
    }


def test_the_oldest_job_is_the_one_that_has_been_due_the_longest(
    engine: Engine, queue: Callable[[], QueueFigures]
) -> None:
    ages = {
        insert(engine): 30.0,
        insert(engine): 500.0,
        insert(engine): -100.0,
        insert(engine, JobKind.DISTANCES): -5.0,
    }
    with unit_of_work(engine) as registry:
        ages[registry.jobs.insert(JobKind.STUDY, {}, priority=-101).id] = 900.0  # idle: it waits while others run
    claim(engine, insert(engine, JobKind.REGISTER_TASK))
    with engine.begin() as connection:
        for job_id, age in ages.items():
            connection.execute(
                JobRow.__table__.update().where(JobRow.id == job_id).values(run_after=DatabaseNow() - age)
            )
    oldest = queue().oldest_due_seconds
    assert set(oldest) == {JobKind.RECOMMEND}, "neither a job that is not due yet nor one that runs has an age"
    assert oldest[JobKind.RECOMMEND] == pytest.approx(500, abs=30)


def test_ends_failures_and_lost_leases_are_counted_for_good(engine: Engine, queue: Callable[[], QueueFigures]) -> None:
    done, refused, lost, waiting = (insert(engine) for _ in range(4))
    fences = {
        job: claim(engine, job, lease_seconds=1e-6 if job == lost else 60) for job in (done, refused, lost, waiting)
    }
    with unit_of_work(engine) as registry:
        registry.leases.finish(done, fences[done], {})
        registry.leases.fail(refused, fences[refused], {"code": "unknown_label"})
        registry.leases.release(waiting, fences[waiting], reason="waits", counts_as_failure=False)
        registry.jobs.request_cancel(waiting)
    with unit_of_work(engine) as registry:
        assert registry.leases.sweep_expired() == [lost]
    expected = {
        ("end", "recommend", "succeeded"): 1,
        ("end", "recommend", "failed"): 1,
        ("end", "recommend", "cancelled"): 1,
        ("failure", "recommend", "unknown_label"): 1,
        ("lost_lease", "recommend", ""): 1,
        ("failed_attempt", "recommend", ""): 1,
    }
    assert tallied(queue()) == expected
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM job_events"))
        connection.execute(text("DELETE FROM jobs"))
    assert tallied(queue()) == expected


def test_the_seconds_of_stages_add_up(engine: Engine, queue: Callable[[], QueueFigures]) -> None:
    job = insert(engine)
    attempt = claim(engine, job)
    for seconds in (1.5, 2.25):
        with unit_of_work(engine) as registry:
            registry.leases.end_stage(job, attempt, "fit", seconds)
    [row] = queue().tallies
    assert (row.name, row.kind, row.label, row.occurrences, row.seconds) == ("stage", "recommend", "fit", 2, 3.75)


def test_a_transaction_that_is_rolled_back_counts_nothing(engine: Engine, queue: Callable[[], QueueFigures]) -> None:
    job = insert(engine)
    attempt = claim(engine, job)

    def finish_and_fail() -> None:
        with unit_of_work(engine) as registry:
            registry.leases.finish(job, attempt, {})
            raise LookupError

    with pytest.raises(LookupError):
        finish_and_fail()
    assert queue().tallies == []


def test_transactions_that_count_the_same_things_in_other_orders_all_succeed(
    engine: Engine, queue: Callable[[], QueueFigures]
) -> None:
    kinds = [JobKind.RECOMMEND, JobKind.DISTANCES, JobKind.REGISTER_TASK]
    batches = []
    for shift in range(8):
        jobs = [insert(engine, kind) for kind in kinds[shift % 3 :] + kinds[: shift % 3]]
        batches.append([(job, claim(engine, job)) for job in jobs])

    def finish(batch: list[tuple[str, int]]) -> None:
        with unit_of_work(engine) as registry:
            for job, attempt in batch:
                registry.leases.finish(job, attempt, {})

    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(finish, batch) for batch in batches]:
            done.result()
    assert tallied(queue()) == {(Happening.END, kind.value, "succeeded"): 8 for kind in kinds}
