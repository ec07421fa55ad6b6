"""The log-determinant distances against hand computations, and the properties that they have by definition."""

import math

import pytest
import torch

from ldnas.distance import layerwise_log_det_distance, log_det_distance, mean_log_det
from ldnas.distance.log_det import LogDetSummary
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
