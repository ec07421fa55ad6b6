"""A checkpoint names its file, and the attempt that computed beyond the one before."""

import pytest

from worker.jobs.checkpoints import Checkpoints
from worker.registry import ADVANCED_IN, Engine, reading, unit_of_work
from worker.settings import Settings
from worker.storage.artifacts import open_store


@pytest.mark.parametrize(("is_lost", "advances"), [(False, True), (True, False)])
def test_a_checkpoint_is_further_than_the_one_that_was_loaded_and_not_than_a_lost_one(
    settings: Settings, engine: Engine, is_lost: bool, advances: bool
) -> None:
    store = open_store(settings)
    with unit_of_work(engine) as registry:
        job_id = registry.jobs.insert("recommend", {}).id

    def attempt() -> tuple[Checkpoints, int]:
        with unit_of_work(engine) as registry:
            job = registry.leases.claim(job_id, worker="w", lease_seconds=60)
        assert job is not None
        return Checkpoints(engine, store, job_id, job.attempt, job.checkpoint), job.attempt

    def advanced_in() -> int | None:
        with reading(engine) as registry:
            return (registry.jobs.get(job_id).checkpoint or {}).get(ADVANCED_IN)

    first, number = attempt()
    assert first.load("k") is None
    first.save("k", b"1")
    assert advanced_in() == number
    with unit_of_work(engine) as registry:
        registry.leases.release(job_id, number, reason="", counts_as_failure=True)
    if is_lost:
        store.drop_checkpoint(f"checkpoints/{job_id}/{number}-1")
    second, number = attempt()
    assert second.load("k") == (None if is_lost else b"1")
    second.save("k", b"1" if is_lost else b"2")
    assert (advanced_in() == number) is advances


def test_a_replaced_checkpoint_that_cannot_be_removed_costs_nothing(
    settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(settings)
    with unit_of_work(engine) as registry:
        job_id = registry.jobs.insert("recommend", {}).id
    with unit_of_work(engine) as registry:
        job = registry.leases.claim(job_id, worker="w", lease_seconds=60)
    assert job is not None
    checkpoints = Checkpoints(engine, store, job_id, job.attempt, None)
    checkpoints.save("k", b"1")

    def refuse(name: str) -> None:
        raise OSError("the server is away")

    monkeypatch.setattr(store, "drop_checkpoint", refuse)
    for content in (b"2", b"3"):
        checkpoints.save("k", content)
    with reading(engine) as registry:
        pointer = registry.jobs.get(job_id).checkpoint
    assert Checkpoints(engine, store, job_id, job.attempt, pointer).load("k") == b"3"
