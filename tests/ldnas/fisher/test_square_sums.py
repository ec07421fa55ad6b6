"""Sums over many samples, and the grouping of parameters into layers."""

import pytest
import torch
from torch import nn

from ldnas.fisher import FisherDiagonal, empirical_fisher_diagonal
from ldnas.fisher.diagonal import SAMPLES_BETWEEN_FLUSHES, SquareSums
from ldnas.fisher.layers import parameter_layers


def test_small_squares_are_not_lost_in_a_large_sum():
    parameter = nn.Parameter(torch.zeros(1))
    sums = SquareSums({"p": parameter})
    sums.of(parameter).add_(1.0)
    sums.count(SAMPLES_BETWEEN_FLUSHES)
    for _ in range(64):
        sums.of(parameter).add_(2.0**-26)  # float32 drops this next to 1.0
        sums.count(SAMPLES_BETWEEN_FLUSHES)
    assert sums.mean()["p"].double() * sums.samples == pytest.approx(1 + 64 * 2.0**-26, rel=1e-7)


def test_sums_that_were_not_flushed_are_part_of_the_mean():
    parameter = nn.Parameter(torch.zeros(1))
    sums = SquareSums({"p": parameter})
    for samples in (SAMPLES_BETWEEN_FLUSHES, 1):
        sums.of(parameter).add_(3.0)
        sums.count(samples)
    assert sums.mean()["p"].item() == pytest.approx(6.0 / (SAMPLES_BETWEEN_FLUSHES + 1))
    assert sums.mean()["p"].item() == pytest.approx(6.0 / (SAMPLES_BETWEEN_FLUSHES + 1))


def test_a_sum_below_zero_by_rounding_is_zero():
    parameter = nn.Parameter(torch.zeros(2))
    sums = SquareSums({"p": parameter})
    sums.of(parameter).add_(torch.tensor([-1e-12, 1.0]))
    sums.count(1)
    assert sums.mean()["p"].tolist() == [0.0, 1.0]


def test_the_mean_does_not_drift_with_the_number_of_samples():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(16, 3))
    batch = torch.randn(16, 3, 4, 4), torch.arange(16) % 3
    once = empirical_fisher_diagonal(network, [batch])
    often = empirical_fisher_diagonal(network, [batch] * 200)
    assert often.samples == 3200
    for name, block in once.blocks.items():
        assert torch.linalg.vector_norm(often.blocks[name] - block) <= 2e-6 * torch.linalg.vector_norm(block)


def test_sixty_thousand_samples_do_not_drift_from_float64():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    images, labels = torch.randn(60, 3, 2, 2), torch.arange(60) % 3
    # Of a linear layer alone, sample i's gradient is (p_i − y_i) x_iᵀ.
    x, weight, bias = images.flatten(1).double(), network[1].weight.detach().double(), network[1].bias.detach().double()
    output_gradient = (x @ weight.T + bias).softmax(1) - nn.functional.one_hot(labels, 3)
    expected = output_gradient.square().T @ x.square() / len(images)
    diagonal = empirical_fisher_diagonal(network, [(images, labels)] * 1000)
    assert diagonal.samples == 60_000
    error = torch.linalg.vector_norm(diagonal.blocks["1.weight"].double() - expected)
    assert error <= 1e-6 * torch.linalg.vector_norm(expected)


def test_one_large_batch_drifts_no_more_than_many_small_ones():
    network = nn.Sequential(nn.Conv2d(8, 64, 5), nn.Flatten(), nn.Linear(64, 3))
    torch.manual_seed(0)
    images, labels = torch.randn(1, 8, 5, 5), torch.tensor([1])
    once = empirical_fisher_diagonal(network, [(images, labels)])
    often = empirical_fisher_diagonal(network, [(images.repeat(3000, 1, 1, 1), labels.repeat(3000))])
    for name, block in once.blocks.items():
        assert torch.linalg.vector_norm(often.blocks[name] - block) <= 5e-6 * torch.linalg.vector_norm(block), name


def test_a_convolution_and_the_norm_behind_it_form_one_layer():
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, groups=8),
        nn.Conv2d(8, 8, 1, bias=False),
        nn.BatchNorm2d(8),
        nn.BatchNorm2d(8),
        nn.Linear(8, 3),
    )
    assert parameter_layers(network, dict(network.named_parameters())) == (
        ("0.weight", "1.weight", "1.bias"),
        ("3.weight", "3.bias"),
        ("4.weight", "5.weight", "5.bias"),
        ("6.weight", "6.bias"),
        ("7.weight", "7.bias"),
    )


def test_a_norm_over_other_channels_or_behind_another_module_stands_alone():
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(16), nn.Linear(4, 8), nn.ReLU(), nn.LayerNorm(8))
    layers = parameter_layers(network, dict(network.named_parameters()))
    assert [len(layer) for layer in layers] == [2, 2, 2, 2]


def test_a_diagonal_cannot_be_changed_by_assignment():
    diagonal = FisherDiagonal({}, 1, ())
    with pytest.raises(AttributeError):
        diagonal.samples = 2
