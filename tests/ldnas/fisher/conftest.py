"""The reference that every estimator meets: float64, one sample at a time, nothing clever."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ldnas.fisher import empirical_fisher_diagonal

WORST_RELATIVE_ERROR = 1e-5


def squares_by_sample(network: nn.Module, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    network = copy.deepcopy(network).double().eval()
    parameters = dict(network.named_parameters())
    mean = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
    for image, label in zip(images.double(), labels, strict=True):
        loss = F.cross_entropy(network(image.unsqueeze(0)), label.unsqueeze(0))
        gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
        for name, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None:
                mean[name] += gradient.detach() ** 2 / len(images)
    return mean


@pytest.fixture
def reference() -> Callable[[nn.Module, Tensor, Tensor], dict[str, Tensor]]:
    return squares_by_sample


@pytest.fixture
def assert_exact() -> Callable[[nn.Module, Tensor], None]:
    """Checks every tensor of the empirical diagonal on `images` with arbitrary labels."""

    def check(network: nn.Module, images: Tensor, classes: int = 3) -> None:
        labels = torch.arange(len(images)) % classes
        expected = squares_by_sample(network, images, labels)
        blocks = empirical_fisher_diagonal(network, [(images, labels)]).blocks
        assert blocks.keys() == expected.keys()
        for name, block in blocks.items():
            error = torch.linalg.vector_norm(block.double() - expected[name])
            assert error <= WORST_RELATIVE_ERROR * torch.linalg.vector_norm(expected[name]), name

    return check
