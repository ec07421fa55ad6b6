"""The sentence about a winner, from planted standings; and the front."""

import re
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from ldnas.networks.design import CellDesign, Design, PlainDesign, PretrainedDesign
from ldnas.race.candidate import Candidate
from ldnas.race.front import on_front
from ldnas.race.race import Finisher, RaceOutcome
from ldnas.race.reason import reason_of
from ldnas.race.standing import standing
from ldnas.race.state import Cycle, Progress
from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import default_skeleton
from ldnas.training.train import TrainConfig

LABELS = torch.arange(400) % 2
CELL = CellDesign(Genotype(("identity",) * 6), default_skeleton(16, 2))
PLAIN, PRETRAINED = PlainDesign(4, 16, 2), PretrainedDesign(48, 2)


def logits(right: float) -> Tensor:
    """Logits of a network that is right on this share of the images."""
    wrong = torch.arange(400) >= right * 400
    return nn.functional.one_hot(torch.where(wrong, 1 - LABELS, LABELS), 2).float()


def finisher(name: str, design: Design, right: float) -> Finisher:
    candidate = Candidate(name, design, lambda seed: nn.Identity(), TrainConfig(), 1, 1)
    own = standing(logits(right), LABELS, objective="accuracy", seed=0)
    return Finisher(
        candidate, Progress(1.0).after(Cycle(0, 1, 1.0, own.score, own.standard_error), {}, own), nn.Identity()
    )


def reason(*finishers: Finisher) -> str:
    return reason_of(RaceOutcome(finishers, (), 1.0, LABELS), objective="accuracy", seed=0)


def test_a_pretrained_winner_says_that_the_images_resemble_photographs() -> None:
    found = reason(
        finisher("lite", PRETRAINED, 0.9), finisher("lite small", PRETRAINED, 0.85), finisher("c", CELL, 0.7)
    )
    assert found.startswith("the images have features in common with the photographs of ImageNet: lite scores 90.0 %")
    # A fifth of 400 images differs: √(.2·.8/400) = 2.0 points, and 1.1 for each cycle: 2.5 in all, from 200 draws.
    assert re.search(r"\+20\.0 ± 2\.[3-7] points over the best cell, c$", found)


def test_a_winning_cell_says_that_they_do_not() -> None:
    found = reason(finisher("c", CELL, 0.9), finisher("lite", PRETRAINED, 0.7))
    assert found.startswith("features of the photographs of ImageNet do not help with these images: c scores 90.0 %")
    assert found.endswith("over the best pretrained network, lite")


def test_without_a_pretrained_rival_nothing_is_said_about_photographs() -> None:
    found = reason(finisher("r", PLAIN, 0.9), finisher("c", CELL, 0.7))
    assert found.startswith("the plain network fits the images better: r scores 90.0 %")


def test_a_small_difference_is_not_explained() -> None:
    found = reason(finisher("c", CELL, 0.9), finisher("lite", PRETRAINED, 0.89))
    assert found.startswith("c scores 90.0 % on validation images: +1.0 ± ")
    assert found.endswith("which is not more than chance may give")


def test_a_lone_network_says_so() -> None:
    assert reason(finisher("c", CELL, 0.9)) == "c scores 90.0 % on validation images; no other network took part"


def test_rivals_of_the_same_kind_count_where_there_is_no_other_kind() -> None:
    assert "over the best cell, d" in reason(finisher("c", CELL, 0.9), finisher("d", CELL, 0.7))


@pytest.mark.parametrize(
    ("costs", "expected"),
    [
        ([(1.0, 1.0)], [True]),
        ([(1.0, 2.0), (2.0, 1.0), (2.0, 2.0)], [True, True, False]),
        ([(1.0, 1.0), (1.0, 1.0)], [True, True]),
        ([(1.0, 1.0), (1.0, 2.0)], [True, False]),
    ],
)
def test_on_the_front_no_other_one_is_as_good_in_everything_and_better_in_something(
    costs: list[tuple[float, float]], expected: list[bool]
) -> None:
    assert on_front(costs) == expected


def test_a_network_with_given_weights_says_where_they_come_from() -> None:
    given = finisher("own", PretrainedDesign(48, 2, "resnet10t", "0" * 64), 0.9)
    given = replace(given, candidate=replace(given.candidate, started_from="dataset://mine"))
    found = reason(given, finisher("c", CELL, 0.7))
    assert found.startswith("the images have features in common with the images that dataset://mine was trained on:")
