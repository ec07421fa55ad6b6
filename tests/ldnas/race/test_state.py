"""The training of a candidate so far."""

import torch

from ldnas.race.standing import Standing
from ldnas.race.state import Cycle, Progress


def progress(*cycles: tuple[int, float]) -> Progress:
    """After cycles of so many epochs with these scores."""
    found = Progress(1.0)
    for rung, (epochs, score) in enumerate(cycles):
        found = found.after(Cycle(rung, epochs, 1.0, score, 0.01), {}, Standing(score, 0.01, torch.zeros(1, 2)))
    return found


def test_the_best_score_has_the_epochs_up_to_its_own_cycle() -> None:
    assert progress().best_passes == 0
    assert progress((0, 0.7), (4, 0.8), (9, 0.6)).best_passes == 4
    assert progress((2, 0.8), (4, 0.8), (9, 0.6)).best_passes == 6, "of equal scores the later one is the best"
    assert progress((2, 0.5), (4, 0.8)).best_passes == 6
