"""The number of threads of a job: measured once, kept for later attempts, or fixed by the operator."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from worker.jobs import threads
from worker.jobs.checkpoints import Checkpoints
from worker.jobs.context import JobContext
from worker.jobs.threads import set_threads
from worker.registry import Engine, JobRow, reading, unit_of_work
from worker.settings import Settings
from worker.storage.artifacts import open_store


@pytest.fixture(autouse=True)
def four_threads(same_threads: None) -> None:
    torch.set_num_threads(4)


@pytest.fixture
def job(claim: Callable[[str], JobRow], add_task: Callable[..., str]) -> JobRow:
    return claim(add_task("three"))


@pytest.fixture
def context(settings: Settings, engine: Engine, job: JobRow) -> JobContext:
    return context_of(settings, engine, job)


def context_of(settings: Settings, engine: Engine, job: JobRow) -> JobContext:
    store = open_store(settings)
    checkpoints = Checkpoints(engine, store, job.id, job.attempt, None)
    return JobContext(settings, engine, store, checkpoints, job.id, job.attempt, torch.device("cpu"))


def refuse() -> int:
    raise AssertionError("measured")


def test_a_later_attempt_uses_the_number_of_the_first(
    settings: Settings, engine: Engine, context: JobContext, claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "fastest_thread_count", lambda: 2)
    set_threads(context, {})
    assert torch.get_num_threads() == 2
    with unit_of_work(engine) as registry:
        registry.leases.release(context.job_id, context.attempt, reason="killed", counts_as_failure=False)
    torch.set_num_threads(4)
    monkeypatch.setattr(threads, "fastest_thread_count", refuse)
    second = context_of(settings, engine, claim(context.job_id))
    set_threads(second, {})
    assert torch.get_num_threads() == 2
    with reading(engine) as registry:
        events = [event for event in registry.jobs.events_after(context.job_id, 0) if event.kind == "threads"]
    assert [event.data for event in events] == [{"threads": 2, "of": 4}] * 2


@pytest.mark.parametrize("name", threads.FIXED_BY)
def test_a_number_that_the_operator_fixes_is_not_measured(
    context: JobContext, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(threads, "fastest_thread_count", refuse)
    set_threads(context, {name: "4"})
    assert torch.get_num_threads() == 4


def test_an_accelerator_is_not_measured(context: JobContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "fastest_thread_count", refuse)
    context.compute = replace(context.compute, device=torch.device("cuda"))
    set_threads(context, {})
    assert torch.get_num_threads() == 4
