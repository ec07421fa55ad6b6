"""A job whose worker is asked to end saves its state, and its next attempt resumes from there."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from worker.jobs.stages import fitting, search
from worker.queue import runner
from worker.queue.exit_codes import Ending
from worker.registry import Engine, JobRow, JobState, unit_of_work
from worker.settings import Settings


@pytest.fixture
def asked_to_end() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@pytest.fixture
def begun_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The epoch that each fit began at."""
    epochs: list[int] = []
    fit = fitting.fit

    def noting(*arguments: Any, state: Any, **options: Any) -> Any:
        epochs.append(state.epoch if state is not None else 0)
        return fit(*arguments, state=state, **options)

    monkeypatch.setattr(fitting, "fit", noting)
    return epochs


def give_back(engine: Engine, job: JobRow) -> JobRow:
    """Releases a job as its worker does; gives the job's row after it."""
    with unit_of_work(engine) as registry:
        registry.leases.release(job.id, job.attempt, reason="the worker was shut down", counts_as_failure=False)
        return registry.jobs.get(job.id)


def test_a_fit_saves_its_first_epoch_and_resumes_at_the_second(
    settings: Settings,
    engine: Engine,
    add_task: Callable[[str], str],
    claim: Callable[[str], JobRow],
    finish: Callable[[str], JobRow],
    asked_to_end: threading.Event,
    begun_at: list[int],
) -> None:
    job = claim(add_task("three"))
    assert runner.run(settings, engine, job.id, job.attempt, asked_to_end) is Ending.SAVED
    given_back = give_back(engine, job)
    assert (given_back.state, given_back.failures) == (JobState.QUEUED, 0)
    assert given_back.checkpoint is not None
    assert (Path(settings.artifact_url) / given_back.checkpoint["name"]).exists()
    assert finish(job.id).state == JobState.SUCCEEDED
    assert begun_at[:2] == [0, 1]


def test_a_search_saves_its_iteration_and_resumes_after_it(
    settings: Settings,
    engine: Engine,
    add_recommendation: Callable[..., str],
    claim: Callable[[str], JobRow],
    finish: Callable[[str], JobRow],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stopping = threading.Event()
    states: list[Any] = []
    read = search.json_from_bytes
    report = search._report

    def end_in_the_search(*arguments: Any) -> None:
        stopping.set()
        report(*arguments)

    monkeypatch.setattr(search, "_report", end_in_the_search)
    monkeypatch.setattr(search, "json_from_bytes", lambda content: states.append(read(content)) or states[-1])
    job = claim(add_recommendation(request={"budget": {"iterations": 2}}))
    assert runner.run(settings, engine, job.id, job.attempt, stopping) is Ending.SAVED
    assert states == []
    assert give_back(engine, job).checkpoint is not None
    assert finish(job.id).state == JobState.SUCCEEDED
    assert len(states) == 1
