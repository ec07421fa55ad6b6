"""Compares the candidates of a race on the validation images, with the noise of images and of cycles."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ldnas.objectives import score
from ldnas.seeding import derive_seed
from ldnas.training.evaluation import confusion_matrix, scores_of

CYCLE_ERROR = 0.011
"""The standard deviation of a score over seeds after a complete cycle, a fraction.

Seen with small cells on Task 6 after four epochs. No benchmark in the repository measures it yet, and other kinds and
longer cycles may differ.
"""

ERRORS = 1.645
"""Standard errors by which a candidate is behind the leader when it leaves (one-sided 95 %)."""

TUNED_ERRORS = 2 / 3
"""The share of a fitted head's errors that remain after the whole network is tuned.

Seen by hand in two minutes of two cores, with EfficientNet-Lite0 on Task 6 and on a set of pictures: .63 and .65.
"""

FEWEST_ERRORS = 0.6
"""The share of the errors of one network from fresh weights that another one can be expected to make at the least.

In the committed runs of `benchmarks.recommendation` ResNet-18 and cells, trained for the same seconds, had at least
.8 of each other's errors; the rest is a margin for other data.
"""

RESAMPLES = 200


@dataclass(frozen=True, eq=False)
class Standing:
    """A candidate after a cycle.

    Attributes:
        score: under the objective on the validation images, in [0, 1].
        standard_error: of the score over draws of the images and over cycles.
        logits: on the validation images, float32 [N, classes].
    """

    score: float
    standard_error: float
    logits: Tensor


def standing(logits: Tensor, labels: Tensor, *, objective: str, seed: int) -> Standing:
    """The standing of a candidate with these logits [N, C] on images with these labels [N]."""
    predictions = logits.argmax(dim=1)
    own = _score(predictions, labels, logits.shape[1], objective)
    draws = _resampled(predictions, labels, logits.shape[1], objective, seed)
    return Standing(own, math.hypot(float(draws.std()), CYCLE_ERROR), logits)


def difference_error(first: Tensor, second: Tensor, labels: Tensor, *, objective: str, seed: int) -> float:
    """The standard error of the difference of two candidates' scores, from their logits [N, C].

    The images are shared, so their part comes from the paired differences of `RESAMPLES` bootstrap draws within each
    class. Each candidate's last cycle adds `CYCLE_ERROR`.
    """
    classes = first.shape[1]
    scores = [_resampled(logits.argmax(dim=1), labels, classes, objective, seed) for logits in (first, second)]
    return math.hypot(float((scores[0] - scores[1]).std()), CYCLE_ERROR, CYCLE_ERROR)


def survivors(
    standings: Mapping[str, Standing],
    labels: Tensor,
    *,
    objective: str,
    seed: int,
    untuned: Collection[str] = (),
) -> tuple[str, ...]:
    """The names of the candidates that go to the next rung, best first: at most half of them (rounded up).

    A candidate leaves where it is behind the leader by more than `ERRORS` standard errors. The scores of the others do
    not differ significantly, so they are ordered by validation loss: FUSE's α under its expected loss, reset to 0, ends
    on the lowest one (`FuseVariant.EXPECTED`). Of the `untuned` only the head was fitted: they count by the score that
    tuning can be expected to reach (`TUNED_ERRORS`), and where one of them is among the others, these are ordered by
    score, since a head's loss says nothing about the loss after tuning.
    """
    scores = {name: expected_score(own.score) if name in untuned else own.score for name, own in standings.items()}
    best = max(scores, key=scores.__getitem__)

    def is_close(name: str) -> bool:
        logits = (standings[best].logits, standings[name].logits)
        return scores[best] - scores[name] <= ERRORS * difference_error(*logits, labels, objective=objective, seed=seed)

    close = [name for name in standings if name == best or is_close(name)]
    if set(close).isdisjoint(untuned):
        close.sort(key=lambda name: float(F.cross_entropy(standings[name].logits.double(), labels)))
    else:
        close.sort(key=lambda name: -scores[name])
    return tuple(close[: math.ceil(len(standings) / 2)])


def outclasses(leader: float, others: Collection[float]) -> bool:
    """Whether a pretrained network leaves no untried network from fresh weights a chance to win.

    Such a network is expected to make at least `FEWEST_ERRORS` of the fewest errors that the others made.

    Args:
        leader: the expected score of the pretrained network, in [0, 1].
        others: the scores of the networks that were trained so far, in [0, 1]; without any it is False.
    """
    return bool(others) and 1 - leader < FEWEST_ERRORS * min(1 - score for score in others)


def expected_score(of_head: float) -> float:
    """The score after tuning that a head on frozen features with this score lets expect, both in [0, 1]."""
    return 1 - TUNED_ERRORS * (1 - of_head)


def _score(predictions: Tensor, labels: Tensor, classes: int, objective: str) -> float:
    return score(scores_of(confusion_matrix(labels, predictions, classes=classes)), objective)


def _resampled(predictions: Tensor, labels: Tensor, classes: int, objective: str, seed: int) -> Tensor:
    """The score on each of the bootstrap draws, float64 [RESAMPLES]; every class keeps its number of images."""
    generator = torch.Generator().manual_seed(derive_seed(seed, "resamples"))
    members = [(labels == label).nonzero().flatten() for label in labels.unique()]
    scores = []
    for _ in range(RESAMPLES):
        drawn = torch.cat([own[torch.randint(len(own), (len(own),), generator=generator)] for own in members])
        scores.append(_score(predictions[drawn], labels[drawn], classes, objective))
    return torch.tensor(scores, dtype=torch.float64)
