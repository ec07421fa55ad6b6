"""How a budget in seconds is divided, computed by hand; and that the seconds of a killed attempt count."""

from collections.abc import Callable

import pytest
import torch

from worker.jobs.checkpoints import Checkpoints
from worker.jobs.context import REPORT_COST_SECONDS, JobContext
from worker.jobs.recommend import PLAN
from worker.jobs.stages.answer import Answer
from worker.jobs.stages.budget import EXPORT_SECONDS, LEAST_SEARCH_SECONDS, Forecast, divide
from worker.registry import Engine, JobRow, reading
from worker.settings import Settings
from worker.storage.artifacts import open_store


def forecast(budget: float | None, spent: float = 10.0) -> Forecast:
    """Five iterations of 4 seconds, and 8 seconds of training after 2 that come before it."""
    return divide(budget, spent, (4.0,) * 5, before=2.0, epoch=0.8, epochs=10)


def test_without_seconds_the_job_is_the_sum_of_its_parts() -> None:
    found = forecast(None)
    assert (found.iteration_seconds, found.search_seconds, found.training_seconds, found.spent_seconds) == (
        4.0,
        20.0,
        10.0,
        10.0,
    )
    assert found.job_seconds == 10 + 20 + 10 + EXPORT_SECONDS


def test_a_search_that_ends_by_itself_leaves_the_rest_of_a_large_budget() -> None:
    found = forecast(1000.0)
    assert found.search_seconds == 1000 - 10 - EXPORT_SECONDS - 10
    assert found.job_seconds == 10 + 20 + 10 + EXPORT_SECONDS


def test_the_search_gets_what_the_training_leaves_and_ends_before_an_iteration_that_does_not_fit() -> None:
    found = forecast(10 + EXPORT_SECONDS + 25)
    assert found.search_seconds == 15  # 25 without the training's 10: three iterations of 4 fit
    assert found.job_seconds == 10 + 12 + 10 + EXPORT_SECONDS


def test_a_small_rest_is_halved_and_the_training_is_cut_to_the_epochs_that_fit() -> None:
    found = forecast(10 + EXPORT_SECONDS + 9)
    assert found.search_seconds == 4.5
    # One iteration leaves 5 of 9 seconds, 2 of them before the first epoch: three epochs of 0.8 fit.
    assert found.job_seconds == pytest.approx(10 + 4 + 2 + 3 * 0.8 + EXPORT_SECONDS)


def test_one_iteration_and_one_epoch_run_where_nothing_is_left() -> None:
    found = forecast(12.0)
    assert found.search_seconds == LEAST_SEARCH_SECONDS
    assert found.job_seconds == pytest.approx(10 + 4 + 2 + 0.8 + EXPORT_SECONDS)
    assert found.job_seconds > 12.0


def test_a_forecast_is_the_same_through_json() -> None:
    assert Forecast.from_json(forecast(30.0).to_json()) == forecast(30.0)


def test_a_forecast_of_another_version_is_read() -> None:
    earlier = {"iteration": 1.0, "search": 2.0, "training": 3.0, "job": 9.0}
    assert Forecast.from_json(earlier) == Forecast(1.0, 2.0, 3.0, 9.0, spent_seconds=0.0)
    assert Forecast.from_json({**earlier, "spent": 4.0, "unknown": 5.0}) == Forecast(
        1.0, 2.0, 3.0, 9.0, spent_seconds=4.0
    )


def test_the_seconds_of_an_attempt_that_was_killed_inside_a_stage_are_counted(
    settings: Settings, engine: Engine, claim: Callable[[str], JobRow], add_recommendation: Callable[..., str]
) -> None:
    job_id = add_recommendation("one")
    job = claim(job_id)
    now = [50.0]
    store = open_store(settings)
    context = JobContext(
        settings,
        engine,
        store,
        Checkpoints(engine, store, job_id, job.attempt, None),
        job_id,
        job.attempt,
        torch.device("cpu"),
        PLAN,
        clock=lambda: now[0],
    )

    def reported_seconds() -> float:
        with reading(engine) as registry:
            return registry.recommendations.get("one").document["cost"]["stage_seconds"]["fit"]

    attempt = Answer(context, "one")
    context.report_cost = attempt.report_cost
    with context.stage("fit"):
        now[0] += REPORT_COST_SECONDS + 1
        context.progress(0.1, "network 1 of 3")
        assert reported_seconds() == REPORT_COST_SECONDS + 1
        now[0] += 1
        context.progress(0.2, "network 1 of 3")  # too soon to write the answer again
        assert reported_seconds() == REPORT_COST_SECONDS + 1
        now[0] += REPORT_COST_SECONDS
        context.progress(0.3, "network 1 of 3")
        # The attempt is killed here. The next one begins with the seconds in the answer.
        spent = Answer(context, "one")._spent
    assert spent["fit"] == 2 * REPORT_COST_SECONDS + 2
