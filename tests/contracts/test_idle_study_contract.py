"""Studies that dispatchers queue while no job waits or runs, alike on SQLite and PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Event, Timer

import pytest

from tests.contracts.rows import add_task, end_job, store_network
from worker.errors import TaskBusyError
from worker.queue.dispatcher import queue_idle_study, run_dispatcher
from worker.registry import Engine, JobKind, JobRow, JobState, open_engine, reading, unit_of_work
from worker.settings import Settings


def ready_baseline(engine: Engine, name: str, cells: int = 0) -> str:
    with unit_of_work(engine) as registry:
        task = add_task(registry, name)
        end_job(registry, task.job_id)
        for number in range(cells):
            store_network(registry, f"{name}{number}")
            registry.task_results.link_cell(task.id, f"{name}{number}", {"of": number})
        return task.id


def studies(engine: Engine) -> list[JobRow]:
    with reading(engine) as registry:
        return registry.jobs.list(kind=JobKind.STUDY)


def test_the_ready_baseline_with_the_fewest_cells_is_studied_once(engine: Engine) -> None:
    ready_baseline(engine, "two", cells=2)
    one, none = ready_baseline(engine, "one", cells=1), ready_baseline(engine, "none")
    queue_idle_study(engine, 9.0)
    queue_idle_study(engine, 9.0)
    [first] = studies(engine)
    assert first.params == {"task_id": none, "study": {"cells": 1, "seconds": 9.0}, "idle": True}
    assert first.priority < -100, "the lowest one that a request can have"
    with unit_of_work(engine) as registry:
        end_job(registry, first.id)
    queue_idle_study(engine, 9.0)
    assert [job.params["task_id"] for job in studies(engine)] == [one, none], "a study without a cell is not repeated"
    with unit_of_work(engine) as registry:
        end_job(registry, studies(engine)[0].id)
    queue_idle_study(engine, 9.0)
    assert len(studies(engine)) == 2


def test_a_cell_with_the_networks_of_two_studies_counts_once(engine: Engine) -> None:
    task_id = ready_baseline(engine, "odd", cells=1)
    with unit_of_work(engine) as registry:
        store_network(registry, "again")
        registry.task_results.link_cell(task_id, "again", {"of": 0})
    queue_idle_study(engine, 9.0)
    assert [job.params["task_id"] for job in studies(engine)] == [task_id]


def test_a_baseline_whose_idle_study_has_not_begun_can_be_deleted(engine: Engine) -> None:
    task_id = ready_baseline(engine, "odd")
    queue_idle_study(engine, 9.0)
    with unit_of_work(engine) as registry:
        registry.tasks.delete(task_id)
    [study] = studies(engine)
    assert study.state is JobState.CANCELLED


def test_a_baseline_whose_idle_study_runs_cannot_be_deleted(engine: Engine) -> None:
    task_id = ready_baseline(engine, "odd")
    queue_idle_study(engine, 9.0)
    [study] = studies(engine)
    with unit_of_work(engine) as registry:
        registry.leases.claim(study.id, worker="w", lease_seconds=60)
    with pytest.raises(TaskBusyError, match=study.id), unit_of_work(engine) as registry:
        registry.tasks.delete(task_id)


def test_while_a_job_waits_or_runs_no_study_is_queued(engine: Engine) -> None:
    ready_baseline(engine, "odd")
    with unit_of_work(engine) as registry:
        job_id = add_task(registry, "new").job_id
    queue_idle_study(engine, 9.0)
    with unit_of_work(engine) as registry:
        assert registry.leases.claim(job_id, worker="w", lease_seconds=60) is not None
    queue_idle_study(engine, 9.0)
    assert studies(engine) == []


def test_of_several_dispatchers_at_once_one_queues_a_study(engine: Engine, database_url: str) -> None:
    for name in ("odd", "even", "prime"):
        ready_baseline(engine, name)
    barrier = Barrier(4)

    def dispatch(_: int) -> None:
        own = open_engine(database_url)
        with reading(own) as registry:
            registry.jobs.now()  # connects
        barrier.wait()
        queue_idle_study(own, 9.0)
        own.dispose()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(dispatch, range(4)))
    assert len(studies(engine)) == 1


@pytest.mark.parametrize(("seconds", "queued"), [(None, 0), (9.0, 1)])
def test_a_dispatcher_queues_studies_only_if_that_is_set(
    engine: Engine, database_url: str, tmp_path: Path, seconds: float | None, queued: int
) -> None:
    ready_baseline(engine, "odd")
    home = Settings.from_environment({"LDNAS_HOME": str(tmp_path), "LDNAS_LEASE_SECONDS": "0.6"})
    stop = Event()
    timer = Timer(1.0, stop.set)
    timer.start()
    run_dispatcher(replace(home, database_url=database_url, idle_study_seconds=seconds), stop)
    assert len(studies(engine)) == queued


def test_a_job_is_more_urgent_only_if_its_priority_is_higher_and_a_worker_could_claim_it(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        study = registry.jobs.insert(JobKind.STUDY, {}, priority=-101).id
        registry.jobs.insert(JobKind.STUDY, {}, priority=-101)
        assert not registry.jobs.more_urgent_is_due(study), "two idle studies would give way to each other without end"
        other = registry.jobs.insert(JobKind.RECOMMEND, {}).id
        assert registry.jobs.more_urgent_is_due(study)
        job = registry.leases.claim(other, worker="w", lease_seconds=60)
        assert not registry.jobs.more_urgent_is_due(study), "the study itself waits, and the other job runs"
        registry.leases.release(other, job.attempt, reason="waits", counts_as_failure=False, delay_seconds=60)
        assert not registry.jobs.more_urgent_is_due(study), "the other job is due in a minute"
