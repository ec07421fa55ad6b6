"""Batch norms with fixed statistics folded into convolutions, compared with the plain network in float64."""

import copy
from collections.abc import Callable

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ldnas.networks.depthwise import use_fast_depthwise
from ldnas.networks.fixed_norms import folded_norms
from ldnas.networks.pretrained import PretrainedNetwork, embedded_network, named_network

IMAGES = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


class ByHand(nn.Module):
    """Convolutions with and without a bias, a norm without weights, and one norm that no convolution precedes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, stride=2, bias=True)
        self.first_norm = nn.BatchNorm2d(6)
        self.second = nn.Conv2d(6, 6, 3, groups=6, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(6, affine=False)
        self.third_norm = nn.BatchNorm2d(6)

    def forward(self, images: Tensor) -> Tensor:
        maps = F.relu(self.first_norm(self.first(images)))
        maps = self.third_norm(F.relu(self.second_norm(self.second(maps))))
        return maps.mean(dim=(2, 3))


class ReadTwice(nn.Module):
    """A sum reads the outputs of the convolution as well as the norm does."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 6, 3)
        self.norm = nn.BatchNorm2d(6)
        self.last = nn.BatchNorm2d(6)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.convolution(images)
        return self.last(self.norm(maps) + maps).mean(dim=(2, 3))


class CalledTwice(nn.Module):
    """One convolution serves two norms, another a single one."""

    def __init__(self) -> None:
        super().__init__()
        self.own = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
        self.convolution = nn.Conv2d(3, 6, 3)
        self.norms = nn.ModuleList(nn.BatchNorm2d(6) for _ in range(2))

    def forward(self, images: Tensor) -> Tensor:
        images = self.own(images)
        return torch.cat([norm(self.convolution(images)) for norm in self.norms], dim=1).mean(dim=(2, 3))


def of_timm() -> nn.Module:
    network: nn.Module = timm.create_model("test_efficientnet", pretrained=False, num_classes=0)
    use_fast_depthwise(network)
    return network


def strided() -> nn.Module:
    """Convolutions whose padding depends on the size of the image, as in EfficientNet-Lite0."""
    network: nn.Module = timm.create_model("tf_mobilenetv3_small_minimal_100", pretrained=False, num_classes=0)
    use_fast_depthwise(network)
    return network


def drawn(network: nn.Module) -> nn.Module:
    """In float64, with norms of random statistics and weights, in eval mode."""
    torch.manual_seed(0)
    for module in network.double().modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                if tensor is not None:
                    tensor.data.uniform_(0.5, 1.5)
    return network.eval()


def gradients(network: nn.Module) -> dict[str, Tensor]:
    network.zero_grad()
    outputs = network(IMAGES)
    (outputs.square() + outputs).sum().backward()
    return {"outputs": outputs, **{name: parameter.grad for name, parameter in network.named_parameters()}}


@pytest.mark.parametrize(("build", "pairs"), [(ByHand, 2), (of_timm, 13), (strided, 34)])
def test_outputs_and_gradients_are_those_of_the_plain_network(build: Callable[[], nn.Module], pairs: int) -> None:
    network = drawn(build())
    names, expected = list(network.state_dict()), gradients(network)
    folded = folded_norms(network, IMAGES)
    assert len(folded) == pairs
    for pair in folded:
        pair.fold()
    found = gradients(network)
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-9, atol=1e-9, msg=name)
    assert list(network.state_dict()) == names
    assert "BatchNorm" not in graph_of(network) or build is ByHand
    for pair in folded:
        pair.unfold()
    assert torch.equal(network(IMAGES), expected["outputs"])


def graph_of(network: nn.Module) -> str:
    """The names of all operations that the gradient of a pass needs."""
    waiting, seen = [network(IMAGES).grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting += [before for before, _ in node.next_functions]
    return " ".join(node.name() for node in seen)


def test_a_network_that_reads_a_convolution_twice_stays_as_it_is() -> None:
    assert folded_norms(drawn(ReadTwice()), IMAGES) == ()


def test_a_convolution_that_is_called_twice_keeps_its_norms() -> None:
    network = drawn(CalledTwice())
    assert [pair.norm for pair in folded_norms(network, IMAGES)] == [network.own[1]]


def test_a_scale_of_zero_does_not_hide_a_second_reader() -> None:
    network = drawn(ReadTwice())
    nn.init.zeros_(network.last.weight)
    before = copy.deepcopy(network.state_dict())
    assert folded_norms(network, IMAGES) == ()
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_a_pretrained_network_folds_its_norms_while_it_trains_alone() -> None:
    network: PretrainedNetwork = named_network("test_efficientnet", classes=2, weights=None).double().train()
    plain = copy.deepcopy(network)
    network(IMAGES)
    assert "BatchNorm" not in graph_of(network)
    # A norm that takes its statistics from the images is computed.
    other = copy.deepcopy(network)
    other.backbone.bn1.train()
    assert graph_of(other).count("BatchNorm") == 1
    assert "BatchNorm" in graph_of(network.eval())
    assert not any("forward" in vars(module) for module in network.modules())
    assert "BatchNorm" not in graph_of(network.train())
    assert list(network.state_dict()) == list(plain.state_dict())


def test_a_copy_of_a_folded_network_uses_its_own_weights() -> None:
    network = named_network("test_efficientnet", classes=2, weights=None).double().train()
    nn.init.ones_(network.head.weight)
    before = network(IMAGES)
    other = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    torch.testing.assert_close(other(IMAGES), before)
    other(IMAGES).sum().backward()
    assert network.backbone.conv_stem.weight.grad is None
    assert other.backbone.conv_stem.weight.grad is not None


def test_all_norms_of_the_embedded_network_are_folded() -> None:
    network = embedded_network(classes=2, imagenet_weights=False).double().train()
    network(IMAGES[:1])
    assert "BatchNorm" not in graph_of(network)
