"""Compares cells that a search dropped early with those that it trained on. Needs no torch."""

from collections.abc import Sequence
from dataclasses import replace

from ldnas.memory.scores import CellScore

SURVIVOR_LEAD = 0.02
"""The assumed lead of a survivor over the best cell that was dropped, in accuracy: the mean difference of two random
cells whose effects and noise both deviate by 1.5 points, 2/√π · √(.015² + .015²), rounded down."""


def with_survivors(scores: Sequence[CellScore]) -> tuple[CellScore, ...]:
    """The scores, and for each survivor of a cut one more at the epochs of the cut.

    A search by halving keeps of each cell the latest score, so that the worst cells compare with each other and the
    best one with none: without this its lead is lost. At the cut a survivor was at least as good as every cell that was
    dropped; its score there is taken to be `SURVIVOR_LEAD` above theirs (it may exceed 1).

    Args:
        scores: of searches that drop the worse cells early and train the others on; those of one task and recipe are
            taken as one search.
    """
    searches: dict[tuple[str, str], list[CellScore]] = {}
    for score in scores:
        searches.setdefault((score.task, score.recipe), []).append(score)
    added: dict[CellScore, None] = {}
    for search in searches.values():
        for epochs in {score.epochs for score in search}:
            at_cut = [score for score in search if score.epochs == epochs]
            dropped, lead = {score.genotype for score in at_cut}, max(score.accuracy for score in at_cut)
            for score in search:
                if score.epochs > epochs and score.genotype not in dropped:
                    added[replace(score, accuracy=lead + SURVIVOR_LEAD, epochs=epochs, standard_error=None)] = None
    return (*scores, *added)
