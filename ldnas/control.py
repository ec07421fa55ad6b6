"""Compares the network found with the memory of tasks with networks found without it in the same seconds."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import torch
from scipy import stats
from torch import Tensor

from ldnas.objectives import score
from ldnas.training.evaluation import confusion_matrix, scores_of

CONFIDENCE = 0.9
LEAST_SEEDS = 3
RESAMPLES = 500


class Verdict(StrEnum):
    """The verdict of a control on the found network."""

    HELPED = "helped"
    UNDECIDED = "undecided"
    HURT = "hurt"


@dataclass(frozen=True)
class Comparison:
    """The found network compared with one other way to spend the seconds.

    Attributes:
        difference: mean over the seeds of the score found minus the score of the other way, in [-1, 1].
        interval: 90 % for that difference, over seeds and over validation images; None with one seed.
        verdict: helped above 0, hurt below 0, undecided in between and with fewer than three seeds.
    """

    difference: float
    interval: tuple[float, float] | None
    verdict: Verdict


def compare(
    found: Sequence[Tensor], other: Sequence[Tensor], labels: Tensor, *, classes: int, objective: str, seed: int = 0
) -> Comparison:
    """Compares predictions, int64 [N] each, by pairs of one seed, on the same images with `labels`, int64 [N].

    The interval is mean ± t·√(s²/n + v): s² the variance of the n paired differences (what another seed would
    change), v the variance of their mean over `RESAMPLES` bootstrap draws of the images within each class (what other
    images would change), t the Student quantile of n - 1 degrees of freedom. The joint effect of seeds and images is
    counted in both terms, so the interval is too wide rather than too narrow.

    Raises:
        ValueError: the numbers of predictions differ, or are zero.
        UnknownObjectiveError: no objective of that name.
    """
    if len(found) != len(other) or not found:
        raise ValueError(f"a comparison takes pairs of predictions, not {len(found)} and {len(other)}")
    differences = _differences(found, other, labels, classes, objective)
    mean, count = statistics.fmean(differences), len(differences)
    if count == 1:
        return Comparison(mean, None, Verdict.UNDECIDED)
    of_seeds = statistics.variance(differences) / count
    of_images = statistics.variance(_resampled_means(found, other, labels, classes, objective, seed))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * math.sqrt(of_seeds + of_images)
    interval = (max(-1.0, mean - half), min(1.0, mean + half))
    return Comparison(mean, interval, _verdict(interval) if count >= LEAST_SEEDS else Verdict.UNDECIDED)


def judge(verdicts: Sequence[Verdict]) -> Verdict:
    """Hurt if any other way is shown to be better than the found network, helped if every one is shown to be worse."""
    if Verdict.HURT in verdicts:
        return Verdict.HURT
    return Verdict.HELPED if verdicts and set(verdicts) == {Verdict.HELPED} else Verdict.UNDECIDED


def _verdict(interval: tuple[float, float]) -> Verdict:
    if interval[0] > 0:
        return Verdict.HELPED
    return Verdict.HURT if interval[1] < 0 else Verdict.UNDECIDED


def _differences(
    found: Sequence[Tensor], other: Sequence[Tensor], labels: Tensor, classes: int, objective: str
) -> list[float]:
    def of(predictions: Tensor) -> float:
        return score(scores_of(confusion_matrix(labels, predictions, classes=classes)), objective)

    return [of(mine) - of(theirs) for mine, theirs in zip(found, other, strict=True)]


def _resampled_means(
    found: Sequence[Tensor], other: Sequence[Tensor], labels: Tensor, classes: int, objective: str, seed: int
) -> list[float]:
    """The mean difference on each of the bootstrap draws; every class keeps its number of images."""
    generator = torch.Generator().manual_seed(seed)
    members = [(labels == label).nonzero().flatten() for label in labels.unique()]
    means = []
    for _ in range(RESAMPLES):
        drawn = torch.cat([own[torch.randint(len(own), (len(own),), generator=generator)] for own in members])
        mine, theirs = [each[drawn] for each in found], [each[drawn] for each in other]
        means.append(statistics.fmean(_differences(mine, theirs, labels[drawn], classes, objective)))
    return means
