"""The Fréchet distance against hand computations, and the properties that it has by definition."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ldnas.distance.frechet import frechet_distance, frechet_shares
from ldnas.fisher import FisherDiagonal

LAYERS = (("stem.weight", "norm.weight"), ("block.conv.weight",))


def diagonal(stem: list[float], norm: list[float], block: list[float]) -> FisherDiagonal:
    """Two layers: a convolution with its norm, and another convolution."""
    values = {"stem.weight": stem, "norm.weight": norm, "block.conv.weight": block}
    blocks = {name: torch.tensor(entries, dtype=torch.float64) for name, entries in values.items()}
    return FisherDiagonal(blocks=blocks, samples=1, layers=LAYERS)


SOURCE = diagonal([1.0, 4.0], [4.0], [7.0])  # trace 16: (1, 4, 4, 7)/16
TARGET = diagonal([2.0, 2.0], [0.5], [3.5])  # trace 8: (4, 4, 1, 7)/16

entries = st.lists(st.floats(1e-30, 1e3) | st.just(0.0), min_size=4, max_size=4)
diagonals = entries.map(lambda values: diagonal(values[:2], values[2:3], values[3:]))


def test_the_distance_is_that_of_the_roots_of_the_scaled_diagonals() -> None:
    # Roots over 4: (1, 2, 2, √7) and (2, 2, 1, √7); ½·(1 + 0 + 1 + 0)/16 = 1/16.
    assert frechet_distance(SOURCE, TARGET) == pytest.approx(1 / 4, abs=1e-15)


def test_the_shares_of_the_layers_are_named_in_order_and_add_up() -> None:
    source = diagonal([1.0, 4.0], [4.0], [7.0])  # roots over 4: 1, 2, 2, √7
    target = diagonal([4.0, 4.0], [8.0], [0.0])  # roots over 4: 2, 2, √8, 0
    first, second = 1 + (math.sqrt(8) - 2) ** 2, 7.0
    distance = math.sqrt((first + second) / 32)
    shares = frechet_shares(source, target)
    assert [name for name, _ in shares] == ["stem", "block.conv"]
    assert [share for _, share in shares] == pytest.approx([first / 32 / distance, second / 32 / distance])
    assert frechet_distance(source, target) == pytest.approx(distance)


def test_diagonals_without_a_common_parameter_are_at_distance_one() -> None:
    assert frechet_distance(diagonal([3.0, 0.0], [0.0], [5.0]), diagonal([0.0, 1.0], [9.0], [0.0])) == pytest.approx(1)


def test_a_diagonal_of_zeros_is_far_from_all_but_its_like() -> None:
    zeros = diagonal([0.0, 0.0], [0.0], [0.0])
    assert frechet_distance(zeros, zeros) == 0.0
    assert frechet_distance(zeros, SOURCE) == frechet_distance(SOURCE, zeros) == pytest.approx(1)
    assert frechet_shares(zeros, SOURCE)[0][1] == pytest.approx(9 / 16)


@given(diagonals)
def test_a_network_is_at_distance_zero_from_itself_to_the_bit(itself: FisherDiagonal) -> None:
    assert frechet_distance(itself, itself) == 0.0
    assert [share for _, share in frechet_shares(itself, itself)] == [0.0, 0.0]


@given(diagonals, diagonals)
def test_the_distance_is_symmetric_and_between_zero_and_one(source: FisherDiagonal, target: FisherDiagonal) -> None:
    distance = frechet_distance(source, target)
    assert distance == frechet_distance(target, source)
    assert 0 <= distance <= 1 + 1e-12


@given(diagonals, st.floats(1e-6, 1e6))
def test_the_scale_of_the_gradients_does_not_matter(fisher: FisherDiagonal, factor: float) -> None:
    scaled = diagonal(*((block * factor).tolist() for block in fisher.blocks.values()))
    assert frechet_distance(fisher, scaled) == pytest.approx(0, abs=1e-7)


def test_single_precision_is_raised_before_anything_is_summed() -> None:
    values = torch.rand(10_000, generator=torch.Generator().manual_seed(0))
    single = FisherDiagonal({"a.weight": values}, 1, (("a.weight",),))
    double = FisherDiagonal({"a.weight": values.double()}, 1, (("a.weight",),))
    assert frechet_distance(single, double) == 0.0


def test_networks_that_differ_are_refused_by_what_differs() -> None:
    other = {**SOURCE.blocks, "extra.bias": torch.ones(1)}
    with pytest.raises(ValueError, match=r"parameters differ: extra\.bias"):
        frechet_distance(SOURCE, FisherDiagonal(other, 1, (*LAYERS, ("extra.bias",))))
    with pytest.raises(ValueError, match=r"norm\.weight has shape \(1,\) in the source and \(2,\) in the target"):
        frechet_distance(SOURCE, diagonal([1.0, 1.0], [1.0, 1.0], [1.0]))
    with pytest.raises(ValueError, match="layers differ"):
        frechet_distance(SOURCE, FisherDiagonal(SOURCE.blocks, 1, tuple((name,) for name in SOURCE.blocks)))
