"""The memo of a job: a later attempt uses the results of an earlier one."""

from collections.abc import Callable

import pytest

from worker.errors import AttemptLostError
from worker.jobs.memo import Codec, JobMemo
from worker.registry import Engine, JobRow, Registry, reading, unit_of_work

TEXT: Codec[str] = Codec(to_json=lambda text: {"text": text}, from_json=lambda value: value["text"])
NOTHING: Codec[None] = Codec(to_json=lambda nothing: nothing, from_json=lambda value: value)


def refuse() -> str:
    raise AssertionError("computed twice")


@pytest.fixture
def job(claim: Callable[[str], JobRow], add_task: Callable[..., str]) -> JobRow:
    return claim(add_task("three"))


def memo_of(engine: Engine, job_id: str) -> dict[str, object]:
    with reading(engine) as registry:
        return registry.memos.of_job(job_id)


def test_a_later_attempt_uses_the_result_of_the_first(engine: Engine, job: JobRow, claim) -> None:
    first = JobMemo(engine, job.id, job.attempt)
    assert first.once("a", lambda: "computed", TEXT) == "computed"
    assert first.once("a", refuse, TEXT) == "computed"
    with unit_of_work(engine) as registry:
        registry.leases.release(job.id, job.attempt, reason="killed", counts_as_failure=False)
    second = JobMemo(engine, job.id, claim(job.id).attempt)
    assert "a" in second
    assert second.once("a", refuse, TEXT) == "computed"
    assert "b" not in second


def test_a_result_that_is_none_is_stored_too(engine: Engine, job: JobRow) -> None:
    JobMemo(engine, job.id, job.attempt).once("none", lambda: None, NOTHING)
    memo = JobMemo(engine, job.id, job.attempt)
    assert "none" in memo
    assert memo.once("none", refuse, NOTHING) is None


def test_a_result_and_what_belongs_to_it_are_stored_together_or_not_at_all(engine: Engine, job: JobRow) -> None:
    def fail(registry: Registry, result: str) -> None:
        raise OSError(f"no space left for {result}")

    memo = JobMemo(engine, job.id, job.attempt)
    with pytest.raises(OSError, match="no space left for this"):
        memo.once("a", lambda: "this", TEXT, also=fail)
    assert memo_of(engine, job.id) == {}
    assert memo.once("a", lambda: "that", TEXT) == "that"


def test_an_attempt_that_lost_the_job_stores_nothing(engine: Engine, job: JobRow) -> None:
    memo = JobMemo(engine, job.id, job.attempt)
    assert "a" not in memo
    with unit_of_work(engine) as registry:
        registry.leases.release(job.id, job.attempt, reason="test", counts_as_failure=False)
    with pytest.raises(AttemptLostError):
        memo.once("a", lambda: "late", TEXT)
    assert memo_of(engine, job.id) == {}


def test_added_values_do_not_replace_those_that_are_there(engine: Engine, job: JobRow) -> None:
    memo = JobMemo(engine, job.id, job.attempt)
    memo.once("a", lambda: "first", TEXT)
    memo.add({"a": {"text": "second"}, "b": {"text": "added"}})
    assert memo_of(engine, job.id) == {"a": {"text": "first"}, "b": {"text": "added"}}
    assert [memo.once(name, refuse, TEXT) for name in ("a", "b")] == ["first", "added"]
