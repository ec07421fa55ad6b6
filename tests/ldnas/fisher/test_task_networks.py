"""Every primitive of the cell space and every task network, against the float64 loop."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from ldnas.fisher import empirical_fisher_diagonal
from ldnas.networks.build import build_network
from ldnas.space.genotype import PRIMITIVES, Genotype
from ldnas.space.network import build_cell_network
from ldnas.space.skeleton import Skeleton, Stage

# Far above float64's rounding, far below what a wrong square would make.
ROUNDING_OF_FLOAT64 = 1e-11


class WithoutKinks(TorchFunctionMode):
    """Every ReLU is a SiLU and every max-pool an average pool.

    In float32, rounding carries some activation of a network across a kink, and there its gradient is another one.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in (F.relu, torch.relu):
            return F.silu(args[0])
        if func is F.max_pool2d:
            window = {"kernel_size": args[1]} if len(args) > 1 else {}
            window |= {name: kwargs[name] for name in ("kernel_size", "stride", "padding") if name in kwargs}
            return F.avg_pool2d(args[0], **window)
        return func(*args, **kwargs)


def in_use(network: nn.Module, side: int) -> nn.Module:
    """The network with running statistics of noise, as after training."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        network.train()(torch.randn(4, 3, side, side, generator=generator))
    return network


def assert_exact_with_kinks(network, images, reference):
    labels = torch.arange(len(images)) % 3
    expected = reference(network, images, labels)
    found = empirical_fisher_diagonal(copy.deepcopy(network).double(), [(images.double(), labels)]).blocks
    for name, block in found.items():
        error = torch.linalg.vector_norm(block - expected[name])
        assert error <= ROUNDING_OF_FLOAT64 * torch.linalg.vector_norm(expected[name]), name


@pytest.mark.parametrize("side", [8, 9])  # at 9 the stages are odd: 9, 5
@pytest.mark.parametrize("primitive", PRIMITIVES)
def test_every_primitive_is_exact(primitive, side, assert_exact, reference, caplog):
    skeleton = Skeleton(side, 3, 4, (Stage(4, 1), Stage(6, 1)))
    # The other primitives keep a gradient in every layer, also where the one in question has no parameters.
    genotype = Genotype((primitive, "identity", primitive, "avg_pool_3x3", primitive, primitive))
    network = in_use(build_cell_network(genotype, skeleton, seed=1), side)
    images = torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(2))
    assert_exact_with_kinks(network, images, reference)
    with WithoutKinks():
        assert_exact(network, images)
    assert "loop over samples" not in caplog.text


@pytest.mark.parametrize("architecture", ["small_cnn", "vgg16", "resnet18", "densenet121"])
def test_every_task_network_is_exact(architecture, assert_exact, reference, caplog):
    network = in_use(build_network(architecture, classes=3, seed=1), 32)
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    assert_exact_with_kinks(network, images, reference)
    with WithoutKinks():
        assert_exact(network, images)
    assert "loop over samples" not in caplog.text
