"""The log-determinant distances against hand computations, and the properties that they have by definition."""

import math

import pytest
import torch

from ldnas.distance import layerwise_log_det_distance, log_det_distance, mean_log_det
from ldnas.distance.log_det import LogDetSummary, jackknife_error
from ldnas.distance.measures import measure
from ldnas.distance.observation import Observation
from ldnas.fisher import FisherDiagonal

DAMPING = 0.5


def diagonal(*layers: list[float]) -> FisherDiagonal:
    """A Fisher diagonal of one tensor per layer."""
    blocks = {f"layer{index}": torch.tensor(values) for index, values in enumerate(layers)}
    return FisherDiagonal(blocks=blocks, samples=1, layers=tuple((name,) for name in blocks))


def test_mean_log_det_is_the_mean_of_log_of_damped_entries() -> None:
    expected = (math.log(1.5) + math.log(2.5) + math.log(0.5)) / 3
    assert mean_log_det(diagonal([1.0, 2.0], [0.0]), damping=DAMPING) == pytest.approx(expected)


def test_log_det_distance_is_the_difference_of_two_means() -> None:
    source, target = diagonal([1.0, 2.0], [0.0]), diagonal([3.0, 3.0], [1.0])
    expected = abs((math.log(1.5) + math.log(2.5) + math.log(0.5)) - (2 * math.log(3.5) + math.log(1.5))) / 3
    assert log_det_distance(source, target, damping=DAMPING) == pytest.approx(expected)


def test_the_layerwise_distance_averages_layers_of_scaled_diagonals() -> None:
    source, target = diagonal([1.0, 2.0], [1.0]), diagonal([3.0, 3.0], [2.0])
    first = abs(math.log(1 / 4 + 0.5) + math.log(2 / 4 + 0.5) - 2 * math.log(3 / 8 + 0.5)) / 2
    second = abs(math.log(1 / 4 + 0.5) - math.log(2 / 8 + 0.5))
    assert layerwise_log_det_distance(source, target, damping=DAMPING) == pytest.approx((first + second) / 2)


def test_the_layerwise_distance_does_not_see_the_scale_of_the_gradients() -> None:
    source = diagonal([1.0, 2.0], [1.0])
    scaled = diagonal([10.0, 20.0], [10.0])
    assert layerwise_log_det_distance(source, scaled, damping=1e-8) == pytest.approx(0, abs=1e-6)
    assert log_det_distance(source, scaled, damping=1e-8) == pytest.approx(math.log(10), rel=1e-6)


def test_a_network_is_at_distance_zero_from_itself_to_the_bit() -> None:
    itself = diagonal([0.123, 4.5], [1e-9, 7.0])
    assert log_det_distance(itself, itself, damping=1e-8) == 0.0
    assert layerwise_log_det_distance(itself, itself, damping=1e-8) == 0.0


def test_networks_with_other_layers_are_refused() -> None:
    with pytest.raises(ValueError, match="layers differ"):
        layerwise_log_det_distance(diagonal([1.0, 2.0]), diagonal([1.0], [2.0]), damping=DAMPING)


def test_a_diagonal_of_zeros_has_the_log_of_the_damping() -> None:
    assert mean_log_det(diagonal([0.0, 0.0]), damping=DAMPING) == pytest.approx(math.log(DAMPING))


def test_a_summary_survives_json() -> None:
    summary = LogDetSummary.of(diagonal([1.0, 2.0], [0.5]), damping=DAMPING)
    assert LogDetSummary.from_json(summary.to_json()) == summary


def grouped(*groups: list[list[float]]) -> LogDetSummary:
    return LogDetSummary.of_groups([diagonal(*layers) for layers in groups], damping=DAMPING)


def test_groups_give_the_sums_of_all_and_those_without_each() -> None:
    summary = grouped([[1.0], [2.0]], [[3.0], [0.0]])
    assert summary.sums.raw == pytest.approx((math.log(2.5), math.log(1.5)))
    assert summary.without[0].raw == pytest.approx((math.log(3.5), math.log(0.5)))
    assert summary.without[1].raw == pytest.approx((math.log(1.5), math.log(2.5)))
    assert summary.without[0].scaled == pytest.approx((math.log(1.5), math.log(0.5)))
    assert LogDetSummary.from_json(summary.to_json()) == summary


def test_the_jackknife_of_a_mean_is_its_textbook_standard_error() -> None:
    values = [1.0, 4.0, 2.0, 9.0]
    without = [(sum(values) - value) / 3 for value in values]
    deviation = math.sqrt(sum((value - 4) ** 2 for value in values) / 3)
    assert jackknife_error(without) == pytest.approx(deviation / math.sqrt(4))
    assert jackknife_error([1.0]) is None


def test_the_standard_error_is_the_spread_over_draws_of_the_images() -> None:
    """Squares of standard normal gradients: L over many draws varies by what one draw says of itself."""
    generator = torch.Generator().manual_seed(0)

    def one_draw() -> LogDetSummary:
        squares = torch.randn(16, 8, 30, generator=generator).square().mean(dim=1)
        groups = [FisherDiagonal({"layer": group}, 8, (("layer",),)) for group in squares]
        return LogDetSummary.of_groups(groups, damping=1e-8)

    draws = [one_draw() for _ in range(300)]
    true_error = torch.tensor([summary.mean_log_det for summary in draws]).std().item()
    said = torch.tensor([summary.standard_error for summary in draws]).mean().item()
    assert said == pytest.approx(true_error, rel=0.15)


def test_layers_contribute_what_adds_up_to_the_distance() -> None:
    source, target = (
        Observation(LogDetSummary.of(fisher, damping=DAMPING), 0.0)
        for fisher in (diagonal([1.0, 2.0], [1.0]), diagonal([3.0, 3.0], [0.0]))
    )
    raw = measure("log_det").distance(source, target)
    first = (math.log(1.5) + math.log(2.5) - 2 * math.log(3.5)) / 3
    second = (math.log(1.5) - math.log(0.5)) / 3
    assert raw.signed == pytest.approx(first + second)
    assert dict(raw.contributions) == pytest.approx({"layer0": -first, "layer1": -second}), "the sum is positive"
    layerwise = measure("log_det_layerwise").distance(source, target)
    assert sum(value for _, value in layerwise.contributions) == pytest.approx(layerwise.value)


def test_eq_2_compares_networks_of_two_architectures() -> None:
    expected = abs(math.log(1.5) - (math.log(3.5) + math.log(0.5)) / 2)
    assert log_det_distance(diagonal([1.0]), diagonal([3.0], [0.0]), damping=DAMPING) == pytest.approx(expected)
