"""The epochs of a cycle from its passes and its seconds; figures by hand."""

import pytest

from ldnas.race.cycle import Length


@pytest.mark.parametrize(
    ("passes", "batches", "epochs", "parts"),
    [
        (20.9, 32, 20, 1),
        (250.0, 32, 100, 1),
        # Sixteen epochs or more: 3 passes in sixths, of which 18.6 fit.
        (3.1, 32, 18, 6),
        # An epoch has four batches at least, so a pass of 32 has at most 8 parts.
        (0.5, 32, 4, 8),
        (0.5, 7, 1, 1),
        # 41,000 images in batches of 32: a twentieth of a pass in 320 parts.
        (0.05, 1282, 16, 320),
        (0.0, 1282, 1, 320),
    ],
)
def test_a_cycle_of_few_passes_has_parts_of_them(passes: float, batches: int, epochs: int, parts: int) -> None:
    assert Length.of(passes, batches=batches) == Length(epochs, parts)


@pytest.mark.parametrize(
    ("epoch", "spent", "left", "epochs"),
    [
        (4, 4.0, 16.0, 20),
        # Twice as slow: of the 16 seconds that are left, 8 more epochs.
        (4, 8.0, 16.0, 12),
        # One epoch more would fit, which is not worth a step in the learning rate.
        (4, 4.0, 17.4, 20),
        (4, 4.0, 18.0, 22),
        # The seconds are over.
        (4, 4.0, -3.0, 4),
    ],
)
def test_a_cycle_gets_the_epochs_that_its_seconds_suffice_for(
    epoch: int, spent: float, left: float, epochs: int
) -> None:
    assert Length(20, 4).after(epoch, spent, left) == Length(epochs, 4)


def test_a_faster_cycle_has_no_more_passes_than_the_most() -> None:
    assert Length(80, 1).after(1, 1.0, 1000.0) == Length(100, 1)
