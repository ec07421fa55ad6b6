"""The ways to spend a target's seconds: ours, the paper's, other searches, and what a user would try first."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from benchmarks.recommendation.memory import Source, best_cell, closest
from benchmarks.recommendation.tasks import Target
from ldnas.networks.design import RESNET18, CellDesign, Kind, PlainDesign, PretrainedDesign
from ldnas.networks.designed import build_designed
from ldnas.race.candidate import Candidate
from ldnas.race.field import PRETRAINED_SIDE, RaceTask, candidates_for
from ldnas.race.kinds import fit_head, fresh_candidate, warm_candidate
from ldnas.race.race import Race, RaceProblem
from ldnas.search.base import SearchBudget, SearchProblem, SearchRun, Strategy
from ldnas.search.pc_darts import PcDarts, PcDartsConfig
from ldnas.search.strategies import build_strategy
from ldnas.seeding import derive_seed
from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import default_skeleton
from ldnas.space.space import FULL_SPACE, SearchSpace, space_of
from ldnas.training.final import DataFacts, final_config
from ldnas.training.micro_batches import Compute
from ldnas.training.train import TrainConfig

SEARCH_SHARE = 2 / 3
"""The share of the seconds that a search gets; the final training gets the rest."""


@dataclass(frozen=True, eq=False)
class Setting:
    """One target with its seconds, from one seed.

    Attributes:
        facts: about the data, found before the clock starts, since every way needs them.
        sources: the known tasks.
    """

    target: Target
    facts: DataFacts
    sources: Sequence[Source]
    seed: int
    seconds: float
    fixed_size: bool

    def recipe(self, image_size: int) -> TrainConfig:
        """The product's recipe from fresh weights at an image size."""
        return final_config(replace(self.facts, image_size=image_size))

    @property
    def best_cell(self) -> Genotype:
        """The cell that the memory of the known tasks proposes; without any, a random one."""
        if not self.sources:
            return self.random_cell
        return best_cell([source.number for source in self.sources], self.seed, excluded=self.target)

    @property
    def random_cell(self) -> Genotype:
        """The cell that the seed draws from the full space."""
        return FULL_SPACE.sample(random.Random(derive_seed(self.seed, "cell")))


@dataclass(frozen=True, eq=False)
class Found:
    """The end of a way: a network, the side of its input, and facts for the row."""

    network: nn.Module
    image_size: int
    facts: Mapping[str, Any]


Way = Callable[[Setting], Found]


def race_of(
    setting: Setting, kinds: frozenset[Kind], cell: Genotype, source: Source | None, *, begun: float | None = None
) -> Found:
    """A race of the kinds with the cell, and with that of the source from its weights.

    It gets the seconds that are left since `begun` (CPU seconds).
    """
    begun = time.process_time() if begun is None else begun
    target = setting.target
    candidates = candidates_for(
        RaceTask(
            target.image_size,
            target.classes,
            [cell],
            setting.recipe,
            fixed_size=setting.fixed_size,
            kinds=kinds,
            warm=[] if source is None else [_warm(setting, source)],
        )
    )
    return _race(setting, candidates, begun, {"source": None if source is None else source.number})


def ours(kinds: frozenset[Kind], *, warm: bool = True) -> Way:
    """Distances, then a race with the best known cell and the trained one of the closest source, in all the seconds."""

    def way(setting: Setting) -> Found:
        begun = time.process_time()
        source = closest(setting.target, setting.sources, setting.seed, setting.seconds)
        cell = setting.best_cell
        return race_of(setting, kinds, cell, source if warm else None, begun=begun)

    return way


def shuffled(setting: Setting) -> Found:
    """As ours with cells only, but the source is drawn at random: the distances' seconds are spent, and unused."""
    begun = time.process_time()
    closest(setting.target, setting.sources, setting.seed, setting.seconds)
    drawn = random.Random(derive_seed(setting.seed, "shuffled", setting.target.name)).choice(list(setting.sources))
    return race_of(setting, frozenset({Kind.CELL}), setting.best_cell, drawn, begun=begun)


def ld_nas(setting: Setting) -> Found:
    """The paper's procedure: FUSE in the space of the closest source's cell, then the final training."""
    begun = time.process_time()
    source = closest(setting.target, setting.sources, setting.seed, setting.seconds)
    space = FULL_SPACE if source is None else space_of([source.genotype])
    return _search(setting, build_strategy("fuse"), space, begun)


def search(build: Callable[[], Strategy]) -> Way:
    """A search of the full space, then the final training."""
    return lambda setting: _search(setting, build(), FULL_SPACE, time.process_time())


def alone(kind: Kind) -> Way:
    """The networks of one kind for all the seconds; the cell is drawn at random."""
    return lambda setting: race_of(setting, frozenset({kind}), setting.random_cell, None)


def resnet18(setting: Setting, *, begun: float | None = None) -> Found:
    """A ResNet-18 for all the seconds, at the size and width that they suffice for."""
    begun = time.process_time() if begun is None else begun
    target = setting.target
    task = RaceTask(
        target.image_size,
        target.classes,
        (),
        setting.recipe,
        fixed_size=setting.fixed_size,
        kinds=frozenset({Kind.PLAIN}),
    )
    return _race(setting, [own for own in candidates_for(task) if own.variant_of == RESNET18], begun, {})


def warm_resnet18(setting: Setting) -> Found:
    """A ResNet-18 from the weights of the closest source's; the distances cost seconds too."""
    begun = time.process_time()
    source = closest(setting.target, setting.sources, setting.seed, setting.seconds)
    if source is None:
        return resnet18(setting, begun=begun)
    weights = source.weights("resnet18")
    width, size = weights["stem.0.weight"].shape[0], setting.target.image_size
    candidate = fresh_candidate("ResNet-18", PlainDesign(width, size, setting.target.classes), setting.recipe(size))

    def build(seed: int) -> nn.Module:
        network = candidate.build(seed)
        own = {name: tensor for name, tensor in network.state_dict().items() if name.startswith("head.")}
        network.load_state_dict({**weights, **own})
        return network

    return _race(setting, [replace(candidate, build=build)], begun, {"source": source.number})


def frozen(setting: Setting) -> Found:
    """EfficientNet-Lite0 with its ImageNet weights and a fitted head, not tuned."""
    size = setting.target.image_size if setting.fixed_size else max(PRETRAINED_SIDE, setting.target.image_size)
    network = build_designed(PretrainedDesign(size, setting.target.classes), seed=setting.seed)
    fit_head(network, setting.target.images(size).train, Compute())
    return Found(network.eval(), size, {})


ALL = frozenset(Kind)
WAYS: Mapping[str, Mapping[str, Way]] = {
    "cells": {
        "ours": ours(frozenset({Kind.CELL})),
        "ours, cold": ours(frozenset({Kind.CELL}), warm=False),
        "ours, distances shuffled": shuffled,
        "LD-NAS": ld_nas,
        "random search": search(lambda: build_strategy("random")),
        "evolution": search(lambda: build_strategy("evolution")),
        "PC-DARTS": search(lambda: PcDarts(PcDartsConfig(iterations=12, warm_up=4))),
        "random cell": alone(Kind.CELL),
        "ResNet-18": resnet18,
        "ResNet-18, warm": warm_resnet18,
    },
    "all": {
        "ours": ours(ALL),
        "random cell": alone(Kind.CELL),
        "ResNet-18": resnet18,
        "EfficientNet-Lite0, frozen": frozen,
        "EfficientNet-Lite0, tuned": alone(Kind.PRETRAINED),
    },
}
"""The ways by group: cells and ResNet-18 on images of a fixed size, and all kinds at sizes of their choice.

PC-DARTS is given a schedule of the length that the seconds suffice for; its default of 30 iterations would be cut off.
"""


def _warm(setting: Setting, source: Source) -> Candidate:
    design = CellDesign(source.genotype, default_skeleton(16, setting.target.classes))
    name = f"cell from Task {source.number}"
    return warm_candidate(
        name, design, setting.recipe(16), started_from=f"Task {source.number}", start=source.weights("cell")
    )


def _search(setting: Setting, strategy: Strategy, space: SearchSpace, begun: float) -> Found:
    target = setting.target
    images, skeleton = target.images(target.image_size), default_skeleton(target.image_size, target.classes)
    left = setting.seconds - (time.process_time() - begun)
    run = SearchRun(
        SearchProblem(images.train, images.validation, space, skeleton),
        SearchBudget(seconds=SEARCH_SHARE * left),
        derive_seed(setting.seed, "search"),
        clock=time.process_time,
    )
    outcome = strategy.search(run)
    design = CellDesign(outcome.best, skeleton)
    candidate = fresh_candidate("found", design, setting.recipe(target.image_size))
    return _race(setting, [candidate], begun, {"iterations": outcome.iterations})


def _race(setting: Setting, candidates: Sequence[Candidate], begun: float, facts: Mapping[str, Any]) -> Found:
    before = time.process_time() - begun
    problem = RaceProblem(
        setting.target.images, max(0.0, setting.seconds - before), seed=setting.seed, clock=time.process_time
    )
    outcome = Race(problem, candidates).run()
    winner = outcome.finishers[0]
    return Found(
        winner.network,
        winner.candidate.image_size,
        {
            **facts,
            "before_seconds": before,
            "winner": winner.candidate.name,
            "finishers": [
                {
                    "name": own.candidate.name,
                    "score": own.progress.score,
                    "cycles": [[each.rung, each.passes, each.seconds, each.score] for each in own.progress.cycles],
                }
                for own in outcome.finishers
            ],
            "passed_over": [own.name for own in outcome.passed_over],
            "outclassed": [own.name for own in outcome.outclassed],
        },
    )
