"""The life of a job, alike on SQLite and PostgreSQL."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.contracts.jobs import claim, queue_job, release
from worker.errors import AttemptLostError, JobNotRetriableError
from worker.registry import Engine, JobRow, reading, unit_of_work


def get(engine: Engine, job_id: str) -> JobRow:
    with reading(engine) as registry:
        return registry.jobs.get(job_id)


def states(engine: Engine, job_id: str) -> list[str]:
    with reading(engine) as registry:
        return [event.data["state"] for event in registry.jobs.events_after(job_id) if event.kind == "state"]


def test_of_many_claims_at_once_one_succeeds(engine: Engine) -> None:
    job_id = queue_job(engine)

    def attempt(number: int) -> bool:
        with unit_of_work(engine) as registry:
            return registry.leases.claim(job_id, worker=f"w{number}", lease_seconds=60) is not None

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(attempt, range(8))) == [False] * 7 + [True]
    job = get(engine, job_id)
    assert (job.state, job.attempt) == ("running", 1)
    assert job.started_at is not None
    assert job.lease_until == pytest.approx(job.started_at + 60, abs=5)


def test_a_job_that_succeeds_leaves_its_result_and_its_history(engine: Engine) -> None:
    job_id = queue_job(engine)
    attempt = claim(engine, job_id)
    with unit_of_work(engine) as registry:
        registry.leases.progress(job_id, attempt, stage="fit", fraction=0.25, message="network 1 of 3", eta_seconds=9.0)
        registry.leases.add_event(job_id, attempt, "network", {"repetition": 1})
        registry.leases.save_checkpoint(job_id, attempt, {"file": "a"})
    running = get(engine, job_id)
    assert running.progress == {"fraction": 0.25, "eta_seconds": 9.0, "message": "network 1 of 3"}
    assert (running.stage, running.checkpoint) == ("fit", {"file": "a"})
    assert running.progress_seq == 3
    with unit_of_work(engine) as registry:
        registry.leases.finish(job_id, attempt, {"answer": 1})
    ended = get(engine, job_id)
    assert (ended.state, ended.result, ended.lease_until) == ("succeeded", {"answer": 1}, None)
    assert ended.finished_at is not None
    assert ended.finished_at >= ended.created_at
    with reading(engine) as registry:
        events = registry.jobs.events_after(job_id)
        assert [event.kind for event in events] == ["state", "state", "network", "state"]
        assert registry.jobs.events_after(job_id, events[1].id) == events[2:]
        assert registry.jobs.events_after(job_id, limit=1) == events[:1]
    assert states(engine, job_id) == ["queued", "running", "succeeded"]


def fenced_writes(job_id: str, attempt: int) -> dict[str, object]:
    return {
        "renew": lambda leases: leases.renew(job_id, attempt, lease_seconds=60),
        "watch": lambda leases: leases.watch(job_id, attempt),
        "progress": lambda leases: leases.progress(job_id, attempt, stage="fit", fraction=0.5, message=""),
        "add_event": lambda leases: leases.add_event(job_id, attempt, "network", {}),
        "save_checkpoint": lambda leases: leases.save_checkpoint(job_id, attempt, {}),
        "finish": lambda leases: leases.finish(job_id, attempt, {}),
        "fail": lambda leases: leases.fail(job_id, attempt, {}),
        "release": lambda leases: leases.release(job_id, attempt, reason="", counts_as_failure=True),
        "confirm_cancel": lambda leases: leases.confirm_cancel(job_id, attempt),
    }


@pytest.mark.parametrize("write", [*fenced_writes("", 0)])
def test_an_attempt_that_lost_its_job_changes_nothing(engine: Engine, write: str) -> None:
    job_id = queue_job(engine)
    old = claim(engine, job_id)
    release(engine, job_id, old)
    new = claim(engine, job_id)
    assert new == old + 1

    def write_late() -> None:
        with unit_of_work(engine) as registry:
            fenced_writes(job_id, old)[write](registry.leases)

    with pytest.raises(AttemptLostError):
        write_late()
    job = get(engine, job_id)
    assert (job.state, job.attempt, job.failures) == ("running", new, 1)
    assert states(engine, job_id) == ["queued", "running", "queued", "running"]


@pytest.mark.parametrize("end", ["finish", "fail", "confirm_cancel"])
def test_a_job_ends_once(engine: Engine, end: str) -> None:
    job_id = queue_job(engine)
    attempt = claim(engine, job_id)
    with unit_of_work(engine) as registry:
        fenced_writes(job_id, attempt)[end](registry.leases)
    first = get(engine, job_id)

    def end_again() -> None:
        with unit_of_work(engine) as registry:
            registry.leases.fail(job_id, attempt, {"code": "late"})

    with pytest.raises(AttemptLostError):
        end_again()
    assert get(engine, job_id).finished_at == first.finished_at


def test_a_lost_lease_is_swept_until_the_attempts_are_used_up(engine: Engine) -> None:
    job_id, healthy = queue_job(engine), queue_job(engine)
    claim(engine, healthy)
    for failures in (1, 2, 3):
        claim(engine, job_id, lease_seconds=-1.0)
        with unit_of_work(engine) as registry:
            assert registry.leases.sweep_expired() == [job_id]
        assert get(engine, job_id).failures == failures
    job = get(engine, job_id)
    assert job.state == "failed"
    assert job.error == {
        "code": "attempts_exhausted",
        "detail": "gave up after 3 failed attempts; the last one: lease expired",
        "field": None,
        "origin": None,
    }
    assert get(engine, healthy).state == "running"
    assert states(engine, job_id) == ["queued", "running"] * 3 + ["failed"]


def test_two_sweeps_at_once_count_a_failure_once(engine: Engine) -> None:
    job_ids = [queue_job(engine) for _ in range(6)]
    for job_id in job_ids:
        claim(engine, job_id, lease_seconds=-1.0)

    def sweep(_: int) -> list[str]:
        with unit_of_work(engine) as registry:
            return registry.leases.sweep_expired()

    with ThreadPoolExecutor(4) as threads:
        swept = [job_id for ids in threads.map(sweep, range(4)) for job_id in ids]
    assert sorted(swept) == sorted(job_ids)
    assert {get(engine, job_id).failures for job_id in job_ids} == {1}


def test_times_from_a_clock_that_was_an_hour_ahead_are_corrected(engine: Engine) -> None:
    waiting, retried, held, kept = (queue_job(engine) for _ in range(4))
    release(engine, waiting, claim(engine, waiting), delay_seconds=3600.0)
    release(engine, retried, claim(engine, retried), delay_seconds=50.0)
    claim(engine, held, lease_seconds=3660.0)
    claim(engine, kept, lease_seconds=60.0)
    with unit_of_work(engine) as registry:
        assert registry.leases.pull_back(lease_seconds=60.0, delay_seconds=60.0) == 2
        now = registry.jobs.now()
        assert registry.leases.pull_back(lease_seconds=60.0, delay_seconds=60.0) == 0
    assert get(engine, waiting).run_after <= now
    assert get(engine, retried).run_after == pytest.approx(now + 50, abs=5)
    assert get(engine, held).lease_until == pytest.approx(now + 60, abs=5)
    assert get(engine, kept).lease_until == pytest.approx(now + 60, abs=5)
    claim(engine, waiting)


def test_renewing_keeps_a_lease_from_the_sweep(engine: Engine) -> None:
    job_id = queue_job(engine)
    attempt = claim(engine, job_id, lease_seconds=-1.0)
    with unit_of_work(engine) as registry:
        claimed = registry.jobs.get(job_id).progressed_at
        status = registry.leases.renew(job_id, attempt, lease_seconds=60)
        assert registry.leases.sweep_expired() == []
    assert not status.cancel_requested
    assert status.progressed_at == claimed, "a renewal is not progress"


def test_an_attempt_counts_only_if_it_got_no_further_than_those_before(engine: Engine) -> None:
    job_id = queue_job(engine)
    failures = []
    # Of the whole job: 0.3 is new, then nothing is, then 0.5 is new; the last attempt finds stored what led to 0.5.
    for reached in (0.3, 0.3, None, 0.5, 0.5):
        attempt = claim(engine, job_id)
        if reached is not None:
            with unit_of_work(engine) as registry:
                registry.leases.progress(job_id, attempt, stage="fit", fraction=0.1, message="")
                registry.leases.progress(job_id, attempt, stage="fit", fraction=reached, message="")
        release(engine, job_id, attempt)
        failures.append(get(engine, job_id).failures)
    assert failures == [0, 1, 2, 2, 3]
    assert get(engine, job_id).state == "failed"


def test_a_crumb_of_progress_does_not_save_an_attempt(engine: Engine) -> None:
    job_id = queue_job(engine)
    for number in range(1, 4):
        attempt = claim(engine, job_id)
        with unit_of_work(engine) as registry:
            registry.leases.progress(job_id, attempt, stage="fit", fraction=0.001 * number, message="")
        release(engine, job_id, attempt)
    assert (get(engine, job_id).state, get(engine, job_id).failures) == ("failed", 3)


def test_the_progress_of_the_attempt_before_is_not_that_of_the_next(engine: Engine) -> None:
    job_id = queue_job(engine)
    attempt = claim(engine, job_id)
    with unit_of_work(engine) as registry:
        registry.leases.progress(job_id, attempt, stage="fit", fraction=0.5, message="")
        registry.leases.fail(job_id, attempt, {"code": "internal"})
    with unit_of_work(engine) as registry:
        registry.jobs.retry(job_id)
    release(engine, job_id, claim(engine, job_id))  # it ended before it reported anything
    assert get(engine, job_id).failures == 1
    attempt = claim(engine, job_id)
    with unit_of_work(engine) as registry:
        registry.leases.progress(job_id, attempt, stage="fit", fraction=0.2, message="")
    release(engine, job_id, attempt)
    assert get(engine, job_id).failures == 1, "after a retry by hand every fraction is new"


def test_progress_that_was_saved_before_a_shutdown_counts_once(engine: Engine) -> None:
    job_id = queue_job(engine)
    for counts in (False, True):
        attempt = claim(engine, job_id)
        with unit_of_work(engine) as registry:
            registry.leases.progress(job_id, attempt, stage="fit", fraction=0.5, message="")
            registry.leases.release(job_id, attempt, reason="r", counts_as_failure=counts)
    assert get(engine, job_id).failures == 1


def test_an_attempt_whose_checkpoint_moved_on_does_not_count_and_forgives_those_before(engine: Engine) -> None:
    job_id = queue_job(engine)
    failures = []
    for moves_on in (False, False, True, False, False, True, True, False, False, False):
        attempt = claim(engine, job_id)
        saved = {"key": "k", "name": f"{attempt}-1"}
        with unit_of_work(engine) as registry:
            registry.leases.progress(job_id, attempt, stage="fit", fraction=0.001, message="")
            # What moves on names its attempt; a state that begins again after a lost one does not.
            registry.leases.save_checkpoint(job_id, attempt, {**saved, "advanced_in": attempt} if moves_on else saved)
        release(engine, job_id, attempt)
        failures.append(get(engine, job_id).failures)
    assert failures == [1, 2, 0, 1, 2, 0, 0, 1, 2, 3]
    assert get(engine, job_id).state == "failed"


def test_a_stage_that_ends_for_the_first_time_forgives_the_lost_attempts_before(engine: Engine) -> None:
    job_id = queue_job(engine)
    failures = []
    # The second end of the same stage is not new: its results were found stored. The one of the next stage is.
    for end in (None, 0.300, 0.300, 0.305):
        attempt = claim(engine, job_id)
        with unit_of_work(engine) as registry:
            registry.leases.progress(job_id, attempt, stage="fit", fraction=0.299, message="")
            if end is not None:
                registry.leases.end_stage(job_id, attempt, "fit", 1.0, fraction=end)
                registry.leases.progress(job_id, attempt, stage="search", fraction=end, message="")
        release(engine, job_id, attempt)
        failures.append(get(engine, job_id).failures)
    assert failures == [0, 1, 2, 1]


def test_a_release_may_not_count_and_may_wait(engine: Engine) -> None:
    job_id = queue_job(engine)
    for _ in range(5):
        assert release(engine, job_id, claim(engine, job_id), counts_as_failure=False) == "queued"
    attempt = claim(engine, job_id)
    assert release(engine, job_id, attempt, counts_as_failure=False, delay_seconds=0.4) == "queued"
    with unit_of_work(engine) as registry:
        assert registry.jobs.due(60) == []
        assert registry.leases.claim(job_id, worker="w", lease_seconds=60) is None
    time.sleep(0.45)
    with reading(engine) as registry:
        assert registry.jobs.due(60) == [job_id]
    assert claim(engine, job_id) == attempt + 1


def test_a_queued_job_is_cancelled_at_once_and_a_running_one_by_its_worker(engine: Engine) -> None:
    queued, running = queue_job(engine), queue_job(engine)
    attempt = claim(engine, running)
    with unit_of_work(engine) as registry:
        assert registry.jobs.request_cancel(queued).state == "cancelled"
        assert registry.jobs.request_cancel(running).state == "running"
        assert registry.leases.watch(running, attempt).cancel_requested
        assert registry.leases.renew(running, attempt, lease_seconds=60).cancel_requested
    with unit_of_work(engine) as registry:
        registry.leases.confirm_cancel(running, attempt)
    assert get(engine, running).state == "cancelled"
    with unit_of_work(engine) as registry:
        assert registry.jobs.request_cancel(running).state == "cancelled"
    assert states(engine, running) == ["queued", "running", "cancelled"]


@pytest.mark.parametrize("counts_as_failure", [True, False])
def test_giving_up_a_job_that_was_to_be_cancelled_cancels_it(engine: Engine, counts_as_failure: bool) -> None:
    job_id = queue_job(engine)
    attempt = claim(engine, job_id)
    with unit_of_work(engine) as registry:
        registry.jobs.request_cancel(job_id)
    assert release(engine, job_id, attempt, counts_as_failure=counts_as_failure) == "cancelled"


def test_a_failed_job_can_be_tried_again_from_its_checkpoint(engine: Engine) -> None:
    job_id = queue_job(engine)
    attempt = claim(engine, job_id)
    with unit_of_work(engine) as registry:
        registry.leases.save_checkpoint(job_id, attempt, {"iteration": 3})
        registry.leases.fail(job_id, attempt, {"code": "bad"})
    with unit_of_work(engine) as registry:
        registry.jobs.retry(job_id)
    job = get(engine, job_id)
    assert (job.state, job.error, job.failures, job.finished_at) == ("queued", None, 0, None)
    assert job.checkpoint == {"iteration": 3}
    assert claim(engine, job_id) == attempt + 1


@pytest.mark.parametrize("state", ["queued", "running", "succeeded"])
def test_only_what_failed_or_was_cancelled_can_be_tried_again(engine: Engine, state: str) -> None:
    job_id = queue_job(engine)
    if state != "queued":
        attempt = claim(engine, job_id)
    if state == "succeeded":
        with unit_of_work(engine) as registry:
            registry.leases.finish(job_id, attempt, {})

    def retry() -> None:
        with unit_of_work(engine) as registry:
            registry.jobs.retry(job_id)

    with pytest.raises(JobNotRetriableError, match=state):
        retry()


@pytest.mark.parametrize("name", ["task_id", "target_task_id"])
def test_a_job_whose_task_was_deleted_is_not_tried_again(engine: Engine, name: str) -> None:
    with unit_of_work(engine) as registry:
        job_id = registry.jobs.insert("distances", {name: "gone"}).id
        registry.jobs.request_cancel(job_id)
        with pytest.raises(JobNotRetriableError, match="its task was deleted"):
            registry.jobs.retry(job_id)


@pytest.mark.parametrize("change", ["state = 'running'", "lease_until = 1.0"])
def test_the_database_refuses_a_lease_without_a_run_and_a_run_without_a_lease(engine: Engine, change: str) -> None:
    queue_job(engine)
    with engine.begin() as connection, pytest.raises(IntegrityError, match="lease_while_running"):
        connection.execute(text(f"UPDATE jobs SET {change}"))
