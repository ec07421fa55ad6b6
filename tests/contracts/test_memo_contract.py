"""The memo of a job, alike on SQLite and PostgreSQL."""

import pytest
from sqlalchemy import text

from tests.contracts.jobs import claim, queue_job, release
from worker.errors import AttemptLostError
from worker.registry import Engine, reading, unit_of_work

VALUES = {"number": 0.1, "nothing": None, "tree": {"list": [1, {"deep": "ö"}]}}


def keep(engine: Engine, job_id: str, attempt: int, **values: object) -> None:
    with unit_of_work(engine) as registry:
        registry.memos.store(job_id, attempt, values)


def memo_of(engine: Engine, job_id: str) -> dict[str, object]:
    with reading(engine) as registry:
        return registry.memos.of_job(job_id)


def test_the_first_value_under_a_name_stays_over_all_attempts_of_the_job(engine: Engine) -> None:
    job_id, other = queue_job(engine), queue_job(engine)
    attempt = claim(engine, job_id)
    keep(engine, job_id, attempt, **VALUES)
    release(engine, job_id, attempt)
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET run_after = 0"))
    keep(engine, job_id, claim(engine, job_id), number=2, more=[])
    assert memo_of(engine, job_id) == {**VALUES, "more": []}
    assert memo_of(engine, other) == {}


def test_an_attempt_that_lost_the_job_writes_no_memo(engine: Engine) -> None:
    job_id = queue_job(engine)
    attempt = claim(engine, job_id)
    release(engine, job_id, attempt)
    with pytest.raises(AttemptLostError):
        keep(engine, job_id, attempt, number=1)
    assert memo_of(engine, job_id) == {}


def test_a_memo_is_deleted_with_its_job(engine: Engine) -> None:
    job_id = queue_job(engine)
    attempt = claim(engine, job_id)
    keep(engine, job_id, attempt, **VALUES)
    with unit_of_work(engine) as registry:
        registry.leases.finish(job_id, attempt, {})
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET finished_at = 0"))
    with unit_of_work(engine) as registry:
        assert registry.removable.delete_jobs(1.0) == 1
    assert memo_of(engine, job_id) == {}
