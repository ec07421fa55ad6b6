"""Regularised evolution: Real, Aggarwal, Huang, Le: Regularized Evolution for Image Classifier Architecture Search,
arXiv:1802.01548, Algorithm 1.

A population of fixed size ages: every child pushes the oldest individual out, however good that one is, so a cell
stays only by being bred again and again.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from ldnas.errors import InvalidSearchError
from ldnas.search.base import SearchProblem, SearchRun
from ldnas.search.candidates import fresh_candidates, own_losses, scores_of, train_epoch, validation_logits
from ldnas.search.own_weights import OwnWeightsSearch, candidates_event, round_event
from ldnas.search.progress import Iteration, SearchProgress
from ldnas.search.results import IterationRecord, ScoredGenotype, ranked
from ldnas.seeding import derive_seed
from ldnas.space.feasible_cells import FeasibleCells
from ldnas.space.genotype import EDGES, Genotype
from ldnas.space.space import SearchSpace

_MOST_BIRTHS = 64
"""After this many births in one iteration, the children still missing are drawn at random instead of bred."""


@dataclass(frozen=True)
class EvolutionConfig:
    """Settings of regularised evolution.

    Attributes:
        population: P, individuals alive at a time.
        sample: S, individuals drawn for a tournament, whose best becomes the parent.
        candidates: networks trained side by side in one iteration; they join the population together, at its end,
            as the paper's parallel workers do. With 1 this is Algorithm 1 one child at a time.
        epochs: passes over the training images per network.
        learning_rate: of Adam on the weights.
        batch_size: training images per weight step.

    Raises:
        InvalidSearchError: a setting is not positive, or `sample` or `candidates` exceeds the population.
    """

    population: int = 10
    sample: int = 3
    candidates: int = 4
    epochs: int = 3
    learning_rate: float = 3e-3
    batch_size: int = 64

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise InvalidSearchError(f"{name} is more than 0, not {value}", field=f"search.{name}")
        for name in ("sample", "candidates"):
            if getattr(self, name) > self.population:
                raise InvalidSearchError(
                    f"{name} is at most the population of {self.population}, not {getattr(self, name)}",
                    field=f"search.{name}",
                )


@dataclass(frozen=True)
class Evolution(OwnWeightsSearch):
    """The strategy: Algorithm 1, `candidates` new networks per iteration.

    The outcome is the best of all that ever lived, as in the paper, not of those still alive.
    """

    name: ClassVar[str] = "evolution"
    config: EvolutionConfig = EvolutionConfig()

    def iterate(self, run: SearchRun, progress: SearchProgress, seed: int, expired: Callable[[], bool]) -> Iteration:
        """Breed the children of one iteration and train those never seen before."""
        problem = run.problem
        scores = {score.genotype: score for score in progress.scored}
        joining = breed(progress, problem.cells, self.config, random.Random(derive_seed(seed, "births")))
        new = tuple(genotype for genotype in joining if genotype not in scores)
        run.on_event(candidates_event(progress, new))

        def on_epoch(epoch: int, latest: tuple[ScoredGenotype, ...]) -> None:
            run.on_event(round_event(progress, epoch, latest))

        trained = train_and_score(new, problem, self.config, seed=seed, on_epoch=on_epoch, expired=expired)
        scores |= {score.genotype: score for score in trained}
        # A dict keeps the order of first scoring, so the earlier one wins where scores are equal.
        best = ranked(scores.values())[0].genotype
        record = IterationRecord(
            len(progress.history), joining, (), trained[0].epochs, best, new_incumbent=best != progress.incumbent
        )
        return Iteration(record, tuple(scores[genotype] for genotype in joining))


def breed(
    progress: SearchProgress, cells: SearchSpace | FeasibleCells, config: EvolutionConfig, rng: random.Random
) -> tuple[Genotype, ...]:
    """Choose the cells that join the population in one iteration, in order: repeats at once, then those to be trained.

    The population is the last P that joined, as in Algorithm 1's queue. The first P are drawn at random, all different;
    every later one is a mutant of the best of S individuals, drawn with replacement from those alive. A mutant that was
    scored before joins with that score and costs no training. Breeding continues until it has produced `candidates`
    cells never seen before (fewer if the space has no more). After `_MOST_BIRTHS` births (a small space, nearly
    exhausted) the missing cells are drawn at random, so that every iteration ends.
    """
    scores = {score.genotype: score for score in progress.scored}
    joined = [genotype for record in progress.history for genotype in record.genotypes]
    before = len(joined)
    wanted = min(config.candidates, cells.size - len(scores))
    waiting: dict[Genotype, None] = {}
    births = 0
    while len(waiting) < wanted:
        if len(joined) + len(waiting) < config.population or births >= _MOST_BIRTHS:
            (child,) = cells.sample_distinct(rng, 1, exclude=scores.keys() | waiting.keys())
        else:
            alive = [scores[genotype] for genotype in joined[-config.population :]]
            parent = ranked(rng.choices(alive, k=config.sample))[0].genotype
            child = mutate(parent, cells, rng)
        births += 1
        if child in scores:
            joined.append(child)
        else:
            waiting[child] = None  # the same cell bred twice is trained once
    return (*joined[before:], *waiting)


def mutate(genotype: Genotype, cells: SearchSpace | FeasibleCells, rng: random.Random) -> Genotype:
    """The cell with another primitive on one edge, uniformly among those cells that may be chosen.

    This is the paper's mutation of an operation. Its other one, of a hidden state, moves an edge, and our cells
    have every edge; the paper's rare identity mutation (0.05) would only repeat a score. A cell without any such
    neighbour, which constraints can leave alone, is its own child.
    """
    neighbours = (
        Genotype((*genotype.primitives[:edge], primitive, *genotype.primitives[edge + 1 :]))
        for edge in range(len(EDGES))
        for primitive in cells.primitives
        if primitive != genotype.primitives[edge]
    )
    possible = [neighbour for neighbour in neighbours if cells.contains(neighbour)]
    return rng.choice(possible) if possible else genotype


def train_and_score(
    genotypes: tuple[Genotype, ...],
    problem: SearchProblem,
    config: EvolutionConfig,
    *,
    seed: int,
    on_epoch: Callable[[int, tuple[ScoredGenotype, ...]], None],
    expired: Callable[[], bool],
) -> tuple[ScoredGenotype, ...]:
    """Each genotype's score on the validation images, after training from fresh weights on its own loss.

    Args:
        on_epoch: called after each epoch with its number, from 0, and the scores after it.
        expired: called after each epoch; True stops the training.
    """
    candidates = fresh_candidates(genotypes, problem, learning_rate=config.learning_rate, seed=seed)
    for epoch in range(config.epochs):
        order_seed = derive_seed(seed, "epoch", epoch)
        train_epoch(candidates, problem, own_losses, batch_size=config.batch_size, seed=order_seed)
        logits = validation_logits(candidates, problem)
        scores = scores_of(candidates, logits, problem.validation.labels)
        on_epoch(epoch, scores)
        if expired():
            break
    return scores
