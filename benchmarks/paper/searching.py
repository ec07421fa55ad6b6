"""Tables 1 and 2, anytime curves: a unit is one search with its final training, or the training of a plain network."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from benchmarks.paper.agreement import closest
from benchmarks.paper.data import PaperData
from benchmarks.paper.figure_1 import mean_distances
from benchmarks.paper.plain import PLAIN, plain_network
from benchmarks.paper.tasks import TASK_6_UNBALANCED, TASKS, PaperTask
from benchmarks.paper.units import Row
from ldnas.data.task_data import ImageSet
from ldnas.search.base import Clock, SearchBudget, SearchEvent, SearchProblem, SearchRun, Strategy
from ldnas.search.darts import Darts, DartsConfig
from ldnas.search.enas import Enas, EnasConfig
from ldnas.search.pc_darts import PcDarts, PcDartsConfig
from ldnas.search.strategies import build_strategy
from ldnas.seeding import derive_seed
from ldnas.space.complexity import multiply_adds
from ldnas.space.constraints import Constraints
from ldnas.space.genotype import Genotype
from ldnas.space.network import build_cell_network
from ldnas.space.skeleton import Skeleton
from ldnas.space.space import FULL_SPACE, SearchSpace, space_of
from ldnas.training.evaluation import evaluate
from ldnas.training.final import data_facts, final_config
from ldnas.training.micro_batches import Compute
from ldnas.training.train import fit

FREE_LENGTH = {
    "LD-NAS": "fuse",
    "FUSE, full space": "fuse",
    "Random Search": "random",
    "Evolution": "evolution",
}
"""Rows whose search continues until its seconds are spent. `FUSE, full space` is LD-NAS without the closest task."""

SCHEDULED: dict[str, Callable[[int], Strategy]] = {
    "DARTS": lambda iterations: Darts(DartsConfig(iterations=iterations)),
    "PC-DARTS": lambda iterations: PcDarts(PcDartsConfig(iterations=iterations, warm_up=round(0.3 * iterations))),
    "ENAS": lambda iterations: Enas(EnasConfig(iterations=iterations)),
}
"""Rows whose schedule has a length, fitted to the seconds; PC-DARTS lets α rest for 3 tenths of it, as in its paper."""

TRIAL_PARTS = {"DARTS": 8, "PC-DARTS": 8, "ENAS": 1}
"""On one in so many of the images an iteration is timed before the schedule is fitted to its seconds.

An iteration of DARTS takes in proportion to its images; one of ENAS does not, for its controller's steps are ten.
"""

KNOWN_CELL = "Known cell"
"""The service's default where only cells may take part: the best cell by the scores of the starter memory, without
those of the target, in a race that gets as many seconds as a search and a final training of the other rows. It needs
timm: without that the row is left out."""

METHODS = ("LD-NAS", "Random Search", "DARTS", "FUSE, full space", *PLAIN, "ENAS", "PC-DARTS", "Evolution", KNOWN_CELL)
"""All rows, in the order of their worth."""


@dataclass
class Curve:
    """The best validation accuracy so far against the seconds spent, as the events of a search report it."""

    clock: Clock
    begun: float = field(init=False)
    points: list[list[float]] = field(default_factory=list)
    iteration_ends: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.begun = self.clock()

    def listen(self, event: SearchEvent) -> None:
        now = self.clock() - self.begun
        if event.kind == "iteration":
            self.iteration_ends.append(now)
        if event.validation_accuracies:
            self.add(now, max(event.validation_accuracies))

    def add(self, seconds: float, accuracy: float) -> None:
        best = max(accuracy, self.points[-1][1] if self.points else 0.0)
        self.points.append([seconds, best])


def run(values: Mapping[str, Any], data: PaperData, device: torch.device, needed: Sequence[Row]) -> Row:
    """One row of a table, for one seed. The test images are read once, by the finished network."""
    task, clock = task_of(values), clock_of(device)
    train, validation = (images_of(task, data, split, values).to(device) for split in ("train", "validation"))
    begun = clock()
    if values["method"] == KNOWN_CELL:
        network, found = _raced(values, task, train, validation, clock)
        searched = begun
    else:
        network, found = _network(values, task, train, validation, needed, clock)
        searched = clock()
        train_finally(network.to(device), task, train, validation, values)
    ended = clock()
    on_validation = evaluate(network, validation)
    on_test = evaluate(network, images_of(task, data, "test", values))
    return {
        **found,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "search_seconds": searched - begun,
        "training_seconds": ended - searched,
        "validation_accuracy": on_validation.accuracy,
        "test_accuracy": on_test.accuracy,
        "test_balanced_accuracy": on_test.balanced_accuracy,
        "images": {"train": len(train), "validation": len(validation), "test": len(on_test.predictions)},
    }


def run_genotype(values: Mapping[str, Any], data: PaperData, device: torch.device, needed: Sequence[Row]) -> Row:
    """The genotype of a baseline: random search with early stopping (Li & Talwalkar, arXiv:1902.07638)."""
    task = task_of(values)
    train, validation = (images_of(task, data, split, values).to(device) for split in ("train", "validation"))
    problem = problem_of(values, task, train, validation, FULL_SPACE)
    run = SearchRun(problem, budget_of(values), search_seed(values), clock=clock_of(device))
    outcome = build_strategy("random").search(run)
    return {
        "genotype": outcome.best.to_json(),
        "scored": [[one.genotype.to_json(), one.validation_accuracy, one.epochs] for one in outcome.scored],
    }


def train_finally(
    network: nn.Module, task: PaperTask, train: ImageSet, validation: ImageSet, values: Mapping[str, Any]
) -> None:
    """Fits a network by the product's recipe for final trainings, which all rows share."""
    own_seed = final_seed(values)
    facts = data_facts(train, validation, classes=task.classes, seed=own_seed)
    fit(network, train, config=final_config(facts, epochs=values["final_epochs"]), seed=own_seed)


def final_seed(values: Mapping[str, Any]) -> int:
    """Of the first weights and the final training; the same for all rows of a seed."""
    return derive_seed(values["seed"], "paper", "final")


def task_of(values: Mapping[str, Any]) -> PaperTask:
    """The task of a unit; `balanced` false is Task 6 with all of "anything else"."""
    return TASKS["paper"][values["task"]] if values.get("balanced", True) else TASK_6_UNBALANCED


def clock_of(device: torch.device) -> Clock:
    """Device seconds: of the accelerator's work as it ends, or of the processor, whatever else it does."""
    if device.type != "cuda":
        return time.process_time

    def synchronised() -> float:
        torch.cuda.synchronize(device)
        return time.monotonic()

    return synchronised


def problem_of(
    values: Mapping[str, Any], task: PaperTask, train: ImageSet, validation: ImageSet, space: SearchSpace
) -> SearchProblem:
    """The problem of a unit in a space, with the same skeleton and limit for every row of a table."""
    skeleton = Skeleton.from_json(values["skeleton"] | {"classes": task.classes})
    limits = Constraints(max_parameters=values["max_parameters"])
    return SearchProblem(train, validation, space, skeleton, limits, compute=Compute(train.images.device))


def source_space(target: int, needed: Sequence[Row]) -> tuple[int, SearchSpace]:
    """The closest source of Figure 1 in the default recipe, and the space of its genotype."""
    source = closest(mean_distances(_of_kind(needed, "network"), "default"))[target]
    genotypes = {row["unit"]["values"]["task"]: row["outcome"]["genotype"] for row in _of_kind(needed, "genotype")}
    return source, space_of([Genotype.from_json(genotypes[source])])


def _of_kind(rows: Sequence[Row], kind: str) -> list[Row]:
    return [row for row in rows if row["unit"]["kind"] == kind]


def _network(
    values: Mapping[str, Any],
    task: PaperTask,
    train: ImageSet,
    validation: ImageSet,
    needed: Sequence[Row],
    clock: Clock,
) -> tuple[nn.Module, dict[str, Any]]:
    """The row's network, untrained, and how it was found."""
    method, own_seed = values["method"], final_seed(values)
    if method in PLAIN:
        network = plain_network(method, classes=task.classes, width=values["plain_width"], seed=own_seed)
        return network, {"curve": [], "iterations": 0}
    found: dict[str, Any] = {}
    space = FULL_SPACE
    if method == "LD-NAS":
        source, space = source_space(values["task"], needed)
        found = {"source": source, "space": space.to_json()}
    problem = problem_of(values, task, train, validation, space)
    curve = Curve(clock)
    strategy, budget = _strategy(values, problem, clock)
    outcome = strategy.search(SearchRun(problem, budget, search_seed(values), curve.listen, clock=clock))
    found |= {"genotype": outcome.best.to_json(), "curve": curve.points, "iterations": outcome.iterations}
    found["iterations_to_the_last_incumbent"] = 1 + max(
        (record.iteration for record in outcome.history if record.new_incumbent), default=-1
    )
    return build_cell_network(outcome.best, problem.skeleton, seed=own_seed), found


def _raced(
    values: Mapping[str, Any], task: PaperTask, train: ImageSet, validation: ImageSet, clock: Clock
) -> tuple[nn.Module, dict[str, Any]]:
    """The best known cell, trained by a race in which it is alone."""
    # A race imports timm, which no other row needs.
    from ldnas.memory.pooled import pool
    from ldnas.memory.proposals import propose
    from ldnas.memory.starter import read_starter
    from ldnas.networks.design import CellDesign
    from ldnas.race.kinds import fresh_candidate
    from ldnas.race.race import Race, RaceImages, RaceProblem

    own_seed = final_seed(values)
    problem = problem_of(values, task, train, validation, FULL_SPACE)
    cell, *_ = propose(
        pool(read_starter(exclude={f"Task {task.number}"}).scores),
        1,
        own_seed,
        admits=lambda cell: problem.constraints.admits(cell, problem.skeleton),
        cost=lambda cell: multiply_adds(cell, problem.skeleton),
    )
    facts = data_facts(train, validation, classes=task.classes, seed=own_seed)
    candidate = fresh_candidate(KNOWN_CELL, CellDesign(cell, problem.skeleton), final_config(facts))
    images = RaceImages(train, validation)
    race = RaceProblem(lambda size: images, values["race_seconds"], own_seed, compute=problem.compute, clock=clock)
    winner = Race(race, [candidate]).run().finishers[0]
    return winner.network, {"genotype": cell.to_json(), "curve": [], "iterations": 0, "passes": winner.progress.passes}


def _strategy(values: Mapping[str, Any], problem: SearchProblem, clock: Clock) -> tuple[Strategy, SearchBudget]:
    """The row's strategy and where it ends.

    A schedule has as many iterations as fit, to the nearest, in what its trial leaves, and is gone through to its end.
    """
    method = values["method"]
    if method in FREE_LENGTH:
        return build_strategy(FREE_LENGTH[method]), budget_of(values)
    begun = clock()
    seconds = iteration_seconds(SCHEDULED[method](2), problem, values, clock)
    left = values["search_seconds"] - (clock() - begun)
    iterations = max(2, round(left / max(seconds, 1e-3)))
    return SCHEDULED[method](iterations), SearchBudget(iterations=iterations)


def iteration_seconds(strategy: Strategy, problem: SearchProblem, values: Mapping[str, Any], clock: Clock) -> float:
    """Seconds of one iteration, from the second one (the first is slower) of a trial on a part of the images."""
    parts, trial = values["trial_parts"], Curve(clock)
    few = [images.subset(torch.arange(len(images) // parts)) for images in (problem.train, problem.validation)]
    part = replace(problem, train=few[0], validation=few[1])
    strategy.search(SearchRun(part, SearchBudget(iterations=2), search_seed(values), trial.listen, clock=clock))
    first, second = trial.iteration_ends
    return (second - first) * len(problem.train) / len(part.train)


def budget_of(values: Mapping[str, Any]) -> SearchBudget:
    """The device seconds of a unit's search."""
    return SearchBudget(seconds=values["search_seconds"])


def search_seed(values: Mapping[str, Any]) -> int:
    """Of a unit's search; the same for all rows of a seed."""
    return derive_seed(values["seed"], "paper", "search")


def images_of(task: PaperTask, data: PaperData, split: str, values: Mapping[str, Any]) -> ImageSet:
    """A split's images of a task at the size of the unit's skeleton, as many as the unit says."""
    original = data.images(task.dataset, split, values["skeleton"]["image_size"])
    return task.images(original, limit=values[f"{split}_images"], seed=values["subset_seed"])
