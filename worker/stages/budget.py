"""A budget in seconds of the whole job: what of it the search gets, and how long the final training may take."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import torch

from ldnas.final import DataFacts, final_config
from ldnas.forecast import affordable_epochs, foretell_iteration, foretell_training, seconds_of_epoch
from ldnas.mirror import is_colour
from ldnas.space.genotype import Genotype
from ldnas.space.network import build_cell_network
from ldnas.train import TrainConfig
from worker.stages.context import JobContext
from worker.stages.resolve import ResolvedTask
from worker.stages.search import TARGET_PATIENCE, SearchPlan

EXPORT_SECONDS = 8.0
"""What a runner spends on its first export, on a processor; most of it is importing and tracing."""
LEAST_SEARCH_SECONDS = 1.0


@dataclass(frozen=True)
class Forecast:
    """What search and final training will take, foretold before the search begins; seconds.

    Attributes:
        iteration: one iteration of the search.
        search: the search: its share of a budget in seconds, or its expected iterations.
        training: the final training by the whole recipe, for a network that is yet to be found.
        job: the whole job, what was spent before included.
    """

    iteration: float
    search: float
    training: float
    job: float

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The forecast written by `to_json`."""
        return cls(**value)

    def to_json(self) -> dict[str, float]:
        """The forecast as a JSON value."""
        return {name: round(seconds, 3) for name, seconds in asdict(self).items()}


def foretell(
    context: JobContext, task: ResolvedTask, plan: SearchPlan, objective: str, spent: float, *, networks: int
) -> Forecast:
    """Foretells a plan's search and the training of what it finds, `networks` times from several seeds.

    `spent` are the job's seconds so far.

    Of a budget in seconds the search gets what was not spent and is not kept for the training (half of it at most)
    and the export.
    """
    began = time.monotonic()
    context.progress(0.0, "foretelling the search")
    problem = plan.problem(context, task)
    batch_size = plan.settings.get("batch_size", 64)
    iteration = foretell_iteration(plan.strategy, problem, batch_size=batch_size, seed=plan.seed)
    if plan.comparison is not None:  # an iteration brings one finalist at most
        comparison = plan.comparison.training(len(problem.train))
        iteration += plan.splits * foretell_training(problem, comparison, seed=plan.seed)
    context.progress(0.0, "foretelling the final training")
    training = networks * foretell_training(problem, _recipe(task, objective), seed=plan.seed)
    spent += time.monotonic() - began
    if plan.budget_seconds is None:
        search = iteration * _expected_iterations(plan)
        return Forecast(iteration, search, training, spent + search + training + EXPORT_SECONDS)
    left = plan.budget_seconds - spent - EXPORT_SECONDS
    search = max(LEAST_SEARCH_SECONDS, left - min(training, left / 2))
    return Forecast(iteration, search, training, max(plan.budget_seconds, spent + iteration + EXPORT_SECONDS))


def affordable(
    context: JobContext,
    task: ResolvedTask,
    plan: SearchPlan,
    genotype: Genotype,
    objective: str,
    spent: float,
    *,
    networks: int,
) -> int | None:
    """The epochs of each final training that the rest of a budget in seconds allows, one at least; None without one."""
    if plan.budget_seconds is None:
        return None
    config = _recipe(task, objective)
    epochs = config.epochs_for(len(task.full.train))
    network = build_cell_network(genotype, plan.skeleton, seed=0).to(context.device)
    each = seconds_of_epoch(network, task.full.train.to(context.device), config)
    return affordable_epochs(epochs, networks * each, plan.budget_seconds - spent - EXPORT_SECONDS)


def _recipe(task: ResolvedTask, objective: str) -> TrainConfig:
    """The final recipe, but for mirrored images, which cost nothing and take a training to decide on."""
    train = task.full.train
    facts = DataFacts(
        class_images=tuple(torch.bincount(train.labels, minlength=task.classes).tolist()),
        validation_images=len(task.full.validation),
        image_size=task.image_size,
        colour=is_colour(train),
        mirrors=False,
    )
    return final_config(facts, objective=objective)


def _expected_iterations(plan: SearchPlan) -> int:
    """A search that ends after some iterations without a new incumbent rarely finds one more than twice.

    Every split has a search of its own.
    """
    assert plan.iterations is not None
    schedule: int = plan.settings.get("iterations", plan.iterations)
    patience: int | None = plan.settings.get("patience")
    likely = plan.iterations if patience is None else patience + TARGET_PATIENCE
    return min(plan.iterations, plan.splits * schedule, plan.splits * likely)
