"""Chooses the winner among the genotypes that led the searches of several splits: each is scored on all splits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Self

from ldnas.objectives import score
from ldnas.search.base import SearchProblem
from ldnas.search.results import ScoredGenotype
from ldnas.seeding import derive_seed
from ldnas.space.genotype import Genotype
from ldnas.space.network import build_cell_network
from ldnas.training.evaluation import Evaluation, evaluate
from ldnas.training.train import TrainConfig, fit


@dataclass(frozen=True)
class Finalist:
    """A genotype that has led the search of some split.

    Attributes:
        mean: its score under the objective, mean over all splits, in [0, 1]; None until it is compared.
    """

    genotype: Genotype
    mean: float | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The finalist written by `to_json`."""
        return cls(Genotype.from_json(value["genotype"]), value["mean"])

    def to_json(self) -> dict[str, Any]:
        """The finalist as a JSON value."""
        return {"genotype": self.genotype.to_json(), "mean": self.mean}


def compare(
    finalists: Sequence[Finalist],
    problems: Sequence[SearchProblem],
    *,
    objective: str,
    training: TrainConfig,
    seed: int,
    on_score: Callable[[int, ScoredGenotype], None],
    expired: Callable[[], bool],
) -> tuple[tuple[Finalist, ...], tuple[ScoredGenotype, ...]]:
    """Score the finalists as far as time allows; return them with their means, and the new scores.

    A finalist is trained from scratch by `training` on every split, all finalists from the same seeds, and scored on
    the split's validation images. One alone needs no comparison.

    Args:
        problems: one for each split.
        on_score: called with the number of earlier scores, and the new score: its plain scores are means over the
            splits.
        expired: returns whether the time is over; the remaining finalists are then not compared.
    """
    known, scores = list(finalists), list[ScoredGenotype]()
    for place, finalist in enumerate(finalists):
        if finalist.mean is not None or len(finalists) == 1 or expired():
            continue
        found = [
            _trained(finalist.genotype, problem, training, derive_seed(seed, number))
            for number, problem in enumerate(problems)
        ]
        known[place] = Finalist(finalist.genotype, fmean(score(one, objective) for one in found))
        scored = ScoredGenotype(
            finalist.genotype,
            fmean(one.accuracy for one in found),
            fmean(one.balanced_accuracy for one in found),
            training.epochs_for(len(problems[0].train)),
        )
        on_score(len(scores), scored)
        scores.append(scored)
    return tuple(known), tuple(scores)


def leader(finalists: Sequence[Finalist]) -> Genotype:
    """The best mean, the first of equals; the first finalist while none is compared."""
    return max(finalists, key=lambda finalist: -1.0 if finalist.mean is None else finalist.mean).genotype


def _trained(genotype: Genotype, problem: SearchProblem, training: TrainConfig, seed: int) -> Evaluation:
    network = build_cell_network(genotype, problem.skeleton, seed=seed).to(problem.compute.device)
    fit(network, problem.train, config=training, seed=seed, micro_batches=problem.compute.micro_batches)
    return evaluate(network, problem.validation, micro_batches=problem.compute.micro_batches)
