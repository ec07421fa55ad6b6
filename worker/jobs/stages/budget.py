"""Divides a job's budget in seconds between the search and the final training."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

import torch

from ldnas.data.search_split import search_splits
from ldnas.forecast import (
    affordable_epochs,
    forecast_epoch,
    forecast_mirroring,
    forecast_search,
    seconds_of_epoch,
)
from ldnas.search.base import SearchProblem
from ldnas.space.genotype import Genotype
from ldnas.space.network import build_cell_network
from ldnas.training.final import DataFacts, final_config
from ldnas.training.flip_test import is_colour
from ldnas.training.train import TrainConfig
from worker.jobs.context import JobContext
from worker.jobs.memo import Codec
from worker.jobs.stages.resolve import ResolvedTask
from worker.jobs.stages.search_plan import TARGET_PATIENCE, SearchPlan

EXPORT_SECONDS = 3.0
"""The seconds of a runner's first export, on a processor; most of them are importing and tracing."""
LEAST_SEARCH_SECONDS = 1.0


@dataclass(frozen=True)
class Forecast:
    """The predicted cost of search and final training, computed before the search begins.

    Attributes:
        iteration_seconds: one iteration of the search.
        search_seconds: the search: its share of a budget in seconds, or its expected iterations.
        training_seconds: the final training by the whole recipe, for a network that is not found yet.
        job_seconds: the whole job, including the seconds spent before.
        spent_seconds: the seconds spent before, including the forecast itself.
    """

    iteration_seconds: float
    search_seconds: float
    training_seconds: float
    job_seconds: float
    spent_seconds: float

    @property
    def expected_iterations(self) -> float:
        """The iterations of a search that only its seconds end."""
        return self.search_seconds / max(0.001, self.iteration_seconds)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The forecast written by `to_json` of this version or another one: version 0.1.0 did not store `spent`."""
        return cls(**{each.name: value.get(each.name.removesuffix("_seconds"), 0.0) for each in fields(cls)})

    def to_json(self) -> dict[str, float]:
        """The forecast as a JSON value: each field without its unit."""
        return {name.removesuffix("_seconds"): seconds for name, seconds in asdict(self).items()}


FORECAST = Codec(Forecast.to_json, Forecast.from_json)
EPOCHS: Codec[int | None] = Codec(to_json=lambda epochs: epochs, from_json=lambda epochs: epochs)
"""The most epochs of the final training, None without a limit."""


def forecast_job(
    context: JobContext, task: ResolvedTask, plan: SearchPlan, objective: str, spent: float, *, networks: float
) -> Forecast:
    """Forecast a plan's search and the training of the found cell, `networks` times: from several seeds.

    A warm start's training on its source counts as a part of one. `spent` are the job's seconds so far.
    """
    began = context.clock()
    context.progress(0.0, "forecasting the search")
    problem = plan.problem(task, context.compute)
    iterations = _forecast_iterations(context, plan, problem)
    context.progress(0.0, "forecasting the final training")
    config = _recipe(task, objective)
    epoch = networks * forecast_epoch(problem, config, seed=plan.seed, clock=context.clock)
    before = forecast_mirroring(problem.train, clock=context.clock, micro_batches=problem.compute.micro_batches)
    spent += context.clock() - began
    return divide(
        plan.budget_seconds, spent, iterations, before=before, epoch=epoch, epochs=config.epochs_for(len(problem.train))
    )


def _forecast_iterations(context: JobContext, plan: SearchPlan, problem: SearchProblem) -> list[float]:
    """Seconds of each expected iteration; over several splits, with the comparison of its winner.

    The i-th iteration on a split finds a new winner with probability 1/i, as if the order of the scores were random.
    """
    split = problem
    if plan.comparison is not None:
        parts, *_ = search_splits(problem.train, problem.validation, seed=plan.seed, repetitions=plan.splits)
        split = replace(problem, train=parts.train, validation=parts.validation)
    expected = _expected_iterations(plan)
    own = forecast_search(
        plan.strategy,
        split,
        iterations=math.ceil(expected / plan.splits),
        batch_size=plan.strategy.config.batch_size,
        seed=plan.seed,
        clock=context.clock,
    )
    compared = 0.0
    if plan.comparison is not None and expected > 1:
        config = plan.comparison.training(len(split.train))
        epoch = forecast_epoch(split, config, seed=plan.seed, clock=context.clock)
        compared = plan.splits * config.epochs_for(len(split.train)) * epoch
    turns = (number // plan.splits for number in range(expected))
    return [own[turn] + compared / (turn + 1) for turn in turns]


def divide(
    budget: float | None, spent: float, iterations: Sequence[float], *, before: float, epoch: float, epochs: int
) -> Forecast:
    """Combine the forecast from its parts: a search with these seconds per iteration, then a training of `epochs`
    epochs.

    Of a budget in seconds the search gets the rest after the spent seconds, a reserve for the training (half of the
    rest at most) and the export. One iteration and one epoch run in any case.

    Args:
        budget: seconds of the whole job, None without a budget.
        spent: seconds of the job so far.
        iterations: seconds of each expected iteration, at least one.
        before: seconds before the first epoch.
        epoch: seconds of one epoch.
    """
    training = before + epochs * epoch
    if budget is None:
        search = sum(iterations)
        return Forecast(
            iteration_seconds=search / len(iterations),
            search_seconds=search,
            training_seconds=training,
            job_seconds=spent + search + training + EXPORT_SECONDS,
            spent_seconds=spent,
        )
    left = budget - spent - EXPORT_SECONDS
    share = max(LEAST_SEARCH_SECONDS, left - min(training, left / 2))
    run = [seconds for seconds, end in zip(iterations, itertools.accumulate(iterations), strict=True) if end <= share]
    search = sum(run) if run else iterations[0]
    trained = before + affordable_epochs(epochs, epoch, left - search - before) * epoch
    return Forecast(
        iteration_seconds=sum(iterations) / len(iterations),
        search_seconds=share,
        training_seconds=training,
        job_seconds=spent + search + trained + EXPORT_SECONDS,
        spent_seconds=spent,
    )


def affordable(
    context: JobContext,
    task: ResolvedTask,
    plan: SearchPlan,
    genotype: Genotype,
    objective: str,
    spent: float,
    *,
    networks: float,
) -> int | None:
    """The epochs of each final training that the rest of the budget allows, at least one; None without a budget."""
    if plan.budget_seconds is None:
        return None
    config = _recipe(task, objective)
    epochs = config.epochs_for(len(task.full.train))
    device, memory = context.compute.device, context.compute.micro_batches
    network = build_cell_network(genotype, plan.skeleton, seed=0).to(device)
    began = context.clock()
    train = task.full.train.to(device)
    each = seconds_of_epoch(network, train, config, clock=context.clock, micro_batches=memory)
    before = forecast_mirroring(train, clock=context.clock, micro_batches=memory)
    spent += context.clock() - began
    return affordable_epochs(epochs, networks * each, plan.budget_seconds - spent - before - EXPORT_SECONDS)


def _recipe(task: ResolvedTask, objective: str) -> TrainConfig:
    """The final recipe without mirrored images, which cost no time but need a training to decide on."""
    train = task.full.train
    facts = DataFacts(
        class_images=tuple(torch.bincount(train.labels, minlength=task.classes).tolist()),
        validation_images=len(task.full.validation),
        image_size=task.image_size,
        colour=is_colour(train),
        mirrors=False,
    )
    return final_config(facts, objective=objective)


def overspent_warning(forecast: Forecast, budget: float | None) -> str | None:
    """A warning about a job that is predicted to take longer than its budget in seconds; else None."""
    if budget is None or forecast.job_seconds <= budget:
        return None
    return (
        f"networks, distances and forecast took {forecast.spent_seconds:.0f} of the {budget:g} seconds; with one "
        "iteration of the search and one epoch of the final training, which always run, the job is "
        f"predicted to take {forecast.job_seconds:.0f}"
    )


def search_document(plan: SearchPlan, forecast: Forecast) -> dict[str, Any]:
    """The `search` of a recommendation, as of the start of the search."""
    return {
        "strategy": plan.origin,
        "settings": dict(plan.settings),
        "splits": plan.splits,
        "constraints": plan.constraints.given(),
        "latency_table": None if plan.latency is None else plan.latency.to_json(),
        "forecast": {name: round(seconds, 3) for name, seconds in forecast.to_json().items()},
    }


def _expected_iterations(plan: SearchPlan) -> int:
    """A search that ends after some iterations without a new incumbent rarely finds one more than twice.

    Every split has its own search.
    """
    own = (plan.strategy.max_iterations, plan.patience and plan.patience + TARGET_PATIENCE)
    limits = (plan.iterations, *(plan.splits * limit for limit in own if limit is not None))
    return min(limit for limit in limits if limit is not None)
