"""Who takes part in a race and how long its first rung is, from forecasts; reference values by hand."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from ldnas.networks.design import PlainDesign
from ldnas.race.admission import Forecast, admit
from ldnas.race.candidate import Candidate
from ldnas.training.train import TrainConfig


def forecast(epoch_seconds: float, *, has_head: bool = False, images: int = 2000) -> Forecast:
    """A candidate whose epochs, of at most 4,000 images, take these seconds; with a head, half of them fit the head."""
    prepare: Callable[..., None] | None = (lambda network, train, compute: None) if has_head else None
    design = PlainDesign(8, 16, 2)
    name = "head" if has_head else "fresh"
    candidate = Candidate(name, design, lambda seed: pytest.fail("built"), TrainConfig(1), 1, 1, prepare=prepare)
    return Forecast(
        replace(candidate, least_epochs=0 if has_head else 2), epoch_seconds * images / min(images, 4000), images
    )


@pytest.mark.parametrize(
    ("left", "head", "fresh", "racing", "share"),
    [
        # Three tenths of 100 seconds give 15 to each: the head's 5 and a tuning pass of 10 fit.
        (100.0, 10.0, 1.0, 2, 15.0),
        # 10.5 each: only the head fits, so both get its 5 seconds.
        (70.0, 10.0, 1.0, 2, 5.0),
        # The other network needs 6 seconds for its first two epochs.
        (70.0, 10.0, 3.0, 2, 6.0),
        # 4.5 each of three tenths do not suffice for the head's 5; 7.5 each of one half do.
        (30.0, 10.0, 1.0, 2, 5.0),
        # One half of 18 does not suffice for both: the head's network takes part alone, in all seconds.
        (18.0, 10.0, 1.0, 1, 18.0),
    ],
)
def test_the_first_rung_of_a_short_race_lasts_as_long_as_the_head(
    left: float, head: float, fresh: float, racing: int, share: float
) -> None:
    for images in (2000, 4000, 40_000):
        groups = [[forecast(head, has_head=True, images=images)], [forecast(fresh, images=images)]]
        _check(groups, left, racing, share)


def _check(groups: list[list[Forecast]], left: float, racing: int, share: float) -> None:
    admitted, seconds = admit(groups, left)
    assert [own.candidate.name for own in admitted] == ["head", "fresh"][:racing]
    assert seconds == pytest.approx(share)


def test_without_a_head_the_first_rung_gets_its_whole_portion() -> None:
    admitted, seconds = admit([[forecast(1.0)], [forecast(2.0)]], 100.0)
    assert (len(admitted), seconds) == (2, pytest.approx(15.0))
