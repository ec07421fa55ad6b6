"""Two jobs never wait for each other: what one transaction has written and not committed locks out no other.

On PostgreSQL, where several transactions write at once. Each test holds one open and sees another commit meanwhile.
"""

from collections.abc import Callable, Iterator

import pytest

from tests.contracts.conftest import create_database
from tests.contracts.jobs import claim, queue_job
from tests.contracts.rows import add_task, distance, store_network
from worker.registry import Engine, Limits, Registry, new_id, open_engine, reading, unit_of_work

AT_ONCE = Limits(idle=20.0, lock=0.5, statement=15.0, transaction=30.0)
"""A wait for a lock fails soon."""


@pytest.fixture
def engine(postgresql_url: str, migrated_postgresql: str) -> Iterator[Engine]:
    opened = open_engine(create_database(postgresql_url, f"test_{new_id()}", migrated_postgresql), AT_ONCE)
    yield opened
    opened.dispose()


WRITES: dict[str, Callable[[Registry, str], object]] = {
    "the end of a stage": lambda registry, job_id: registry.leases.end_stage(job_id, 1, "fit", 1.5),
    "the end of a job": lambda registry, job_id: registry.leases.finish(job_id, 1, {}),
    "a failure": lambda registry, job_id: registry.leases.fail(job_id, 1, {"code": "unknown_label"}),
    "a lost attempt": lambda registry, job_id: registry.leases.release(job_id, 1, reason="r", counts_as_failure=True),
    "a change of the matrix": lambda registry, job_id: add_task(registry, job_id),
    "distances": lambda registry, job_id: registry.results.store_distances([distance(job_id, "target", 1.0)]),
    "a network that both found": lambda registry, job_id: registry.results.use_network("shared"),
    "a network that both trained": lambda registry, job_id: store_network(registry, "shared"),
    "a search that both found": lambda registry, job_id: registry.results.use_search("shared"),
    "a file of equal content": lambda registry, job_id: registry.results.store_artifact("a" * 64, 1, "text/plain"),
}


@pytest.mark.parametrize("what", [*WRITES])
def test_a_second_job_does_not_wait_for_the_first_ones_transaction(engine: Engine, what: str) -> None:
    jobs = [queue_job(engine) for _ in range(2)]
    for job_id in jobs:
        claim(engine, job_id)
    with unit_of_work(engine) as registry:
        store_network(registry, "shared")
        registry.results.store_search("shared", "given", [{"digest": "g", "genotype": {}}])
        registry.results.store_artifact("a" * 64, 1, "text/plain")

    def write(job_id: str, then: Callable[[], None] = lambda: None) -> None:
        with unit_of_work(engine) as registry:
            WRITES[what](registry, job_id)
            # The end of `unit_of_work` writes counters and the revision; they, too, stay uncommitted for a while.
            session = registry.jobs._session
            commit, session.commit = session.commit, lambda: (then(), commit())

    write(jobs[0], then=lambda: write(jobs[1]))


def test_two_jobs_that_end_a_stage_at_once_are_both_counted(engine: Engine) -> None:
    jobs = [queue_job(engine) for _ in range(2)]
    for job_id in jobs:
        claim(engine, job_id)
    with unit_of_work(engine) as outer:
        outer.leases.end_stage(jobs[0], 1, "fit", 1.5)
        with unit_of_work(engine) as inner:
            inner.leases.end_stage(jobs[1], 1, "fit", 2.0)
    with reading(engine) as registry:
        [tally] = registry.figures.queue().tallies
    assert (tally.label, tally.occurrences, tally.seconds) == ("fit", 2, 3.5)
