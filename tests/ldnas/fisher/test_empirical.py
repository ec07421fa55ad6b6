"""The empirical diagonal of whole networks: the layers that are treated, by which way, and those that are refused."""

import copy
import logging

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ldnas.errors import UnsupportedLayerError
from ldnas.fisher import empirical_fisher_diagonal


class Network(nn.Module):
    """A convolution, a forward pass given by the test, and a head."""

    def __init__(self, forward, **modules):
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(3, 3, 3, padding=1)
        self.head = nn.Linear(3, 3)
        for name, module in modules.items():
            setattr(self, name, module)
        self._forward = forward

    def forward(self, x):
        return self._forward(self, x)


def pooled_head(network, x):
    return network.head(x.mean((2, 3)))


@pytest.fixture
def images():
    return torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def labels():
    return torch.tensor([0, 1, 2, 1])


def uses_twice(network, x):
    return pooled_head(network, network.convolution(torch.tanh(network.convolution(x))))


def uses_the_weight_outside_its_layer(network, x):
    return pooled_head(network, network.convolution(x) * network.convolution.weight.mean())


def folds_samples_into_positions(network, x):
    return network.head(torch.tanh(network.head(x.permute(0, 2, 3, 1).reshape(-1, 3)))).reshape(len(x), -1, 3).mean(1)


def convolves_rows_apart(network, x):
    rows = network.convolution(x.permute(0, 2, 1, 3).reshape(-1, 3, 1, 5))
    return network.head(torch.tanh(rows).reshape(len(x), 5, 3, 5).mean((1, 3)))


def puts_positions_first(network, x):
    sequence = network.convolution(x)[:, :, 0, :4].permute(2, 0, 1)  # [4 positions, 4 samples, 3]
    return torch.tanh(network.head(sequence)).pow(3).sum(0)


UNUSUAL = {
    uses_twice: {},
    uses_the_weight_outside_its_layer: {},
    folds_samples_into_positions: {},
    convolves_rows_apart: {},
    puts_positions_first: {},
}


@pytest.mark.parametrize("forward", UNUSUAL, ids=lambda forward: forward.__name__)
def test_an_unusual_use_of_a_parameter_is_exact_and_said_to_be_slow(forward, images, assert_exact, caplog):
    with caplog.at_level(logging.WARNING, "ldnas.fisher"):
        assert_exact(Network(forward), images)
    assert "loop over samples" in caplog.text


class Scale(nn.Module):
    """A layer of a user's own: one factor per channel."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor([0.5, -2.0, 1.5]).reshape(3, 1, 1))

    def forward(self, x):
        return x * self.factor


def test_layers_without_a_rule_are_exact(images, assert_exact, caplog):
    def forward(network, x):
        return pooled_head(network, network.extra(network.convolution(x)))

    assert_exact(Network(forward, extra=Scale()), images)
    assert "no rule treats mul of extra.factor" in caplog.text
    assert_exact(Network(forward, extra=nn.PReLU(3)), images)
    assert_exact(Network(forward, extra=nn.ConvTranspose2d(3, 3, 2)), images)
    assert_exact(Network(forward, extra=nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 3, 1))), images)


def test_a_parameter_shared_by_two_layers_is_exact(images, assert_exact):
    network = Network(lambda n, x: pooled_head(n, n.second(torch.tanh(n.convolution(x)))), second=nn.Conv2d(3, 3, 3))
    network.second.weight = network.convolution.weight
    assert_exact(network, images)


def test_a_hook_that_changes_a_layers_output_is_exact(images, assert_exact):
    network = Network(lambda n, x: pooled_head(n, n.convolution(x)))
    network.convolution.register_forward_hook(lambda module, inputs, output: torch.tanh(3 * output))
    assert_exact(network, images)


def test_in_place_activations_and_views_take_the_fast_way(images, assert_exact, caplog):
    def forward(network, x):
        x = F.relu(network.convolution(x), inplace=True)
        return network.wide(x.view(len(x), -1))

    network = Network(forward, wide=nn.Linear(75, 3))
    del network.head
    assert_exact(network, images)
    assert "loop over samples" not in caplog.text


def test_one_activation_shared_by_several_layers_takes_the_fast_way(images, assert_exact, caplog):
    def forward(network, x):
        x = network.activation(network.convolution(x))
        return pooled_head(network, network.activation(network.second(x)))

    assert_exact(Network(forward, activation=nn.ReLU(inplace=True), second=nn.Conv2d(3, 3, 3)), images)
    assert "loop over samples" not in caplog.text


def test_layers_behind_a_dead_activation_have_a_zero_diagonal(images, assert_exact):
    network = Network(lambda n, x: pooled_head(n, F.relu(n.convolution(x))) + n.other(x.mean((2, 3))))
    network.other = nn.Linear(3, 3)
    with torch.no_grad():
        network.convolution.bias.fill_(-100.0)
    assert_exact(network, images)  # relative to a norm of 0: exactly zero
    blocks = empirical_fisher_diagonal(network, [(images, torch.tensor([0, 1, 2, 1]))]).blocks
    assert [name for name, block in blocks.items() if block.count_nonzero() == 0] == [
        "convolution.weight",
        "convolution.bias",
        "head.weight",
    ]


@pytest.mark.parametrize("side", [2, 3, 5])  # squares from pairs of positions, tap by tap and row by row
def test_a_gradient_that_cancels_over_the_positions_is_zero_up_to_rounding(side):
    def forward(network, x):
        y = network.convolution(x)
        signs = torch.ones_like(y)
        signs[:, :, 0] = -1.0
        signs[:, :, 1:] /= side - 1
        return network.head((y * signs).sum((2, 3)))

    network = Network(forward)
    network.convolution = nn.Conv2d(3, 3, 1 if side < 5 else (1, 3), padding=0, bias=False)
    images = torch.randn(4, 3, 1, 1, generator=torch.Generator().manual_seed(1)).expand(4, 3, side, side)
    blocks = empirical_fisher_diagonal(network, [(images, torch.tensor([0, 1, 2, 1]))]).blocks
    # Rounding is relative to the squares that cancel, which are of the order of 0.1 here.
    assert 0 <= blocks["convolution.weight"].min() <= blocks["convolution.weight"].max() <= 1e-7


def test_two_branches_from_the_image_are_both_counted(images, assert_exact):
    def forward(network, x):
        return pooled_head(network, torch.tanh(network.convolution(x)) + network.other(x))

    assert_exact(Network(forward, other=nn.Conv2d(3, 3, 1)), images)


def test_a_layer_without_part_in_the_logits_has_a_zero_diagonal(images, labels):
    network = Network(lambda n, x: pooled_head(n, n.convolution(x)), unused=nn.Linear(2, 2))
    blocks = empirical_fisher_diagonal(network, [(images, labels)]).blocks
    assert blocks["unused.weight"].count_nonzero() == 0
    assert blocks["head.weight"].count_nonzero() == 9
    only_unused = empirical_fisher_diagonal(network, [(images, labels)], parameters=["unused.weight"]).blocks
    assert only_unused["unused.weight"].count_nonzero() == 0


def test_a_subset_of_the_parameters_has_the_blocks_of_the_whole(images, labels):
    network = Network(lambda n, x: pooled_head(n, torch.tanh(n.convolution(x))))
    whole = empirical_fisher_diagonal(network, [(images, labels)])
    part = empirical_fisher_diagonal(network, [(images, labels)], parameters=["convolution.weight"])
    assert list(part.blocks) == ["convolution.weight"]
    assert part.layers == (("convolution.weight",),)
    torch.testing.assert_close(part.blocks["convolution.weight"], whole.blocks["convolution.weight"])


def test_batches_of_any_size_give_one_mean(images, labels):
    network = Network(lambda n, x: pooled_head(n, torch.tanh(n.convolution(x))))
    whole = empirical_fisher_diagonal(network, [(images, labels)])
    parts = empirical_fisher_diagonal(network, [(images[:1], labels[:1]), (images[1:], labels[1:])])
    assert whole.samples == parts.samples == 4
    for name, block in whole.blocks.items():
        torch.testing.assert_close(parts.blocks[name], block)


@pytest.mark.parametrize("forward", [uses_twice, lambda n, x: pooled_head(n, torch.tanh(n.convolution(x)))])
def test_a_batch_too_large_for_one_pass_keeps_every_image_with_its_label(forward):
    images = torch.randn(300, 3, 5, 5, generator=torch.Generator().manual_seed(2))
    labels = torch.randint(3, (300,), generator=torch.Generator().manual_seed(3))
    network = Network(forward)
    whole = empirical_fisher_diagonal(network, [(images, labels)])
    parts = empirical_fisher_diagonal(network, zip(images.split(60), labels.split(60), strict=True))
    assert whole.samples == parts.samples == 300
    for name, block in whole.blocks.items():
        torch.testing.assert_close(parts.blocks[name], block, rtol=1e-5, atol=1e-8)


def test_the_network_is_left_as_it_was(images, labels):
    network = Network(lambda n, x: pooled_head(n, n.norm(n.convolution(x))), norm=nn.BatchNorm2d(3))
    network.train()
    network.norm.eval()
    network.head.weight.requires_grad_(False)
    before = copy.deepcopy(network.state_dict())
    empirical_fisher_diagonal(network, [(images, labels)])
    assert [network.training, network.norm.training, network.convolution.training] == [True, False, True]
    assert [name for name, p in network.named_parameters() if not p.requires_grad] == ["head.weight"]
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_blocks_have_the_shape_and_precision_of_their_parameters(images, labels):
    network = Network(lambda n, x: pooled_head(n, n.convolution(x))).double()
    blocks = empirical_fisher_diagonal(network, [(images.double(), labels)]).blocks
    for name, parameter in network.named_parameters():
        assert (blocks[name].shape, blocks[name].dtype) == (parameter.shape, torch.float64)
        assert blocks[name].is_contiguous()
        assert bool((blocks[name] >= 0).all())


def forward_with_norm(network, x):
    return pooled_head(network, network.norm(network.convolution(x)))


def overwrites_a_layers_input(network, x):
    x = torch.tanh(network.convolution(x))
    y = network.second(x)
    x.mul_(2)
    return pooled_head(network, y)


def returns_a_map(network, x):
    return network.convolution(x)


REFUSED = {
    "statistics of the batch": lambda: Network(forward_with_norm, norm=nn.BatchNorm2d(3, track_running_stats=False)),
    "changed in place": lambda: Network(overwrites_a_layers_input, second=nn.Conv2d(3, 3, 1)),
    r"logits \[N, C\]": lambda: Network(returns_a_map),
    "float32 or float64": lambda: Network(uses_twice).bfloat16(),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_has_no_exact_diagonal_is_refused_by_name(reason, images, labels):
    with pytest.raises(UnsupportedLayerError, match=reason):
        empirical_fisher_diagonal(REFUSED[reason](), [(images, labels)])


def test_unknown_parameters_and_empty_data_are_refused(images, labels):
    network = Network(uses_twice)
    with pytest.raises(UnsupportedLayerError, match=r"no parameter tail\.weight"):
        empirical_fisher_diagonal(network, [(images, labels)], parameters=["tail.weight"])
    with pytest.raises(UnsupportedLayerError, match="at least one image"):
        empirical_fisher_diagonal(network, [])
