"""Zero-cost scores against slow references and values by hand; what they leave alone; screening."""

import copy
import math

import pytest
import torch
from torch import nn

from benchmarks import zero_cost
from benchmarks.zero_cost import (
    ZeroCostScore,
    gradient_norm,
    naswot,
    screen,
    synflow,
    zero_cost_score,
    zero_cost_scores,
)
from ldnas.data.preprocessing import normalise
from ldnas.data.task_data import ImageSet
from ldnas.errors import InvalidSearchError
from ldnas.search.base import SearchProblem
from ldnas.space.genotype import PRIMITIVES, Genotype
from ldnas.space.network import build_cell_network
from ldnas.space.skeleton import Skeleton, Stage, default_skeleton
from ldnas.space.space import FULL_SPACE

SKELETON = Skeleton(8, 3, 4, (Stage(4, 1), Stage(8, 1)))
IDENTITIES = Genotype(("identity",) * 6)
CONVOLUTIONS = Genotype(("sep_conv_3x3",) * 6)
MIXED = Genotype(("sep_conv_3x3", "dil_conv_5x5", "max_pool_3x3", "identity", "avg_pool_3x3", "conv_7x1_1x7"))


def images(count=24, seed=0):
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (count, 3, 8, 8), generator=generator, dtype=torch.uint8)
    return ImageSet(pixels, torch.arange(count) % 3)


def batch(count=12):
    data = images(count)
    return normalise(data.images), data.labels


def network(genotype, seed=0):
    return build_cell_network(genotype, SKELETON, seed=seed)


def problem():
    return SearchProblem(images(), images(6, seed=1), FULL_SPACE, SKELETON)


# SynFlow


def test_synflow_of_a_chain_is_its_depth_times_the_product_of_its_absolute_weights():
    chain = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        chain[1].weight.copy_(torch.tensor([[1.0, -2.0], [-3.0, 4.0]]))
        chain[3].weight.copy_(torch.tensor([[-1.0, 0.5]]))
    # R = 1·(1 + 2) + 0.5·(3 + 4) = 6.5, and every path has one weight of each of the two layers.
    assert synflow(chain, (1, 1, 2)) == pytest.approx(13.0)


def test_synflow_equals_finite_differences_of_a_network_without_batch_norm():
    def total(absolute, scaled=None, factor=1.0):
        """R of the cell network, its batch norms taken out, one layer's weights multiplied by a factor."""
        edited = copy.deepcopy(absolute)
        if scaled is not None:
            edited.get_parameter(scaled).mul_(factor)
        return edited(torch.ones(1, 3, 8, 8, dtype=torch.float64)).sum().item()

    absolute = network(MIXED).double().eval()
    for name, module in list(absolute.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            absolute.set_submodule(name, nn.Identity())
    for parameter in absolute.parameters():
        parameter.requires_grad_(False).abs_()
    layers = [name for name, tensor in absolute.named_parameters() if tensor.ndim > 1]
    step = 1e-6
    # d R(w·(1 + h)) / dh = Σ w · ∂R/∂w
    flows = [(total(absolute, name, 1 + step) - total(absolute, name, 1 - step)) / (2 * step) for name in layers]
    assert len(layers) == 15
    assert synflow(network(MIXED), (3, 8, 8)) == pytest.approx(sum(flows), rel=1e-6)


def test_synflow_grows_with_the_power_of_the_depth_and_does_not_overflow():
    depth = 12
    chain = nn.Sequential(nn.Flatten(), *(nn.Linear(4, 4, bias=False) for _ in range(depth)))
    before = synflow(chain, (1, 2, 2))
    for layer in chain[1:]:
        layer.weight.data.mul_(2.0**20)
    after = synflow(chain, (1, 2, 2))
    assert after == pytest.approx(before * 2.0 ** (20 * depth), rel=1e-6)
    assert after > torch.finfo(torch.float32).max


def test_synflow_is_finite_for_the_heaviest_cell_of_a_large_skeleton():
    heavy = build_cell_network(Genotype(("conv_7x1_1x7",) * 6), default_skeleton(64, 10), seed=0)
    assert math.isfinite(synflow(heavy, (3, 64, 64)))


def test_synflow_does_not_see_signs_and_batch_norms():
    plain, changed = network(MIXED), network(MIXED)
    with torch.no_grad():
        for module in changed.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.mul_(-1)
            elif isinstance(module, nn.BatchNorm2d):
                module.weight.fill_(3.0)
                module.running_var.fill_(9.0)
    assert synflow(changed, (3, 8, 8)) == synflow(plain, (3, 8, 8))


# NASWOT


def slow_naswot(net, inputs):
    """Codes gathered as bits image by image pair, from every ReLU of a cell network in training mode."""
    bits = []
    trained = copy.deepcopy(net).train()
    for module in trained.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(lambda module, given, output: bits.append((given[0] > 0).flatten(1)))
    # The last ReLU is a function call on the last stage's maps.
    trained.stages[-1].register_forward_hook(lambda module, given, output: bits.append((output > 0).flatten(1)))
    trained(inputs)
    codes = torch.cat(bits, dim=1)
    kernel = torch.zeros(len(inputs), len(inputs), dtype=torch.float64)
    for i, one in enumerate(codes):
        for j, other in enumerate(codes):
            kernel[i, j] = codes.shape[1] - int((one != other).sum())
    return float(torch.logdet(kernel))


@pytest.mark.parametrize("genotype", [MIXED, IDENTITIES, CONVOLUTIONS])
def test_naswot_equals_codes_compared_bit_by_bit(genotype):
    inputs, _ = batch()
    assert naswot(network(genotype), inputs) == pytest.approx(slow_naswot(network(genotype), inputs), rel=1e-9)


def test_naswot_by_hand():
    net = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False), nn.ReLU())
    net[1].weight.data.copy_(torch.eye(2))
    inputs = torch.tensor([[1.0, -1.0], [1.0, 1.0]]).reshape(2, 1, 1, 2)
    # Codes 10 and 11: K = [[2, 1], [1, 2]], det K = 3.
    assert naswot(net, inputs) == pytest.approx(math.log(3))


def test_naswot_sees_activations_that_work_in_place():
    def net(inplace):
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(192, 20), nn.ReLU(inplace=inplace))

    inputs, _ = batch(6)
    assert naswot(net(True), inputs) == naswot(net(False), inputs) != 0


def test_naswot_does_not_see_the_scale_of_the_weights():
    net = nn.Sequential(
        nn.Flatten(), nn.Linear(192, 30, bias=False), nn.ReLU(), nn.Linear(30, 9, bias=False), nn.ReLU()
    )
    inputs, _ = batch(6)
    before = naswot(net, inputs)
    for layer in (net[1], net[3]):
        layer.weight.data.mul_(4.0)
    assert naswot(net, inputs) == before


def test_naswot_of_two_equal_images_is_minus_infinity():
    inputs, _ = batch(4)
    assert naswot(network(MIXED), inputs[[0, 1, 2, 0]]) == -math.inf


def test_naswot_rates_more_activations_higher():
    inputs, _ = batch()
    assert naswot(network(CONVOLUTIONS), inputs) > naswot(network(IDENTITIES), inputs)


# Gradient norm


def test_the_gradient_norm_equals_backpropagation_in_training_mode():
    inputs, labels = batch()
    net = network(MIXED).train()
    nn.functional.cross_entropy(net(inputs), labels).backward()
    layers = [module for module in net.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    expected = sum(float(layer.weight.grad.norm()) for layer in layers)
    assert len(layers) == 15
    assert gradient_norm(network(MIXED).eval(), inputs, labels) == pytest.approx(expected, rel=1e-5)


def test_the_gradient_norm_by_hand():
    net = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
    net[1].weight.data.zero_()
    # p = (½, ½), so ∂/∂W = (p - y) xᵀ = [[-½·3, -½·4], [½·3, ½·4]], of norm √(½)·5.
    norm = gradient_norm(net, torch.tensor([3.0, 4.0]).reshape(1, 1, 1, 2), torch.tensor([0]))
    assert norm == pytest.approx(math.sqrt(0.5) * 5)


def test_weights_before_a_batch_norm_have_gradients_that_shrink_as_they_grow():
    def net(scale):
        torch.manual_seed(0)
        made = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4, eps=1e-12), nn.Flatten())
        made[0].weight.data.mul_(scale)
        return made

    inputs, labels = batch()
    assert gradient_norm(net(8.0), inputs, labels) == pytest.approx(gradient_norm(net(1.0), inputs, labels) / 8)


# All of them


@pytest.mark.parametrize("score", ZeroCostScore)
@pytest.mark.parametrize("training", [True, False])
def test_a_score_leaves_the_network_as_it_was(score, training):
    inputs, labels = batch()
    net = network(MIXED).train(training)
    net.stem.train(not training)
    before = copy.deepcopy(net.state_dict())
    modes = [module.training for module in net.modules()]
    zero_cost_score(net, score, inputs, labels)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert [module.training for module in net.modules()] == modes
    assert all(tensor.grad is None and tensor.requires_grad for tensor in net.parameters())
    assert not any(module._forward_hooks for module in net.modules())


@pytest.mark.parametrize("score", ZeroCostScore)
def test_a_score_does_not_depend_on_the_mode_it_finds_or_on_gradients_being_off(score):
    inputs, labels = batch()
    expected = zero_cost_score(network(MIXED).train(), score, inputs, labels)
    with torch.no_grad():
        assert zero_cost_score(network(MIXED).eval(), score, inputs, labels) == expected


@pytest.mark.parametrize("score", [ZeroCostScore.SYNFLOW, ZeroCostScore.NASWOT])
def test_a_network_with_all_operations_scores_above_one_of_identities(score):
    inputs, labels = batch()
    high, low = (
        [zero_cost_score(network(genotype, seed), score, inputs, labels) for seed in range(3)]
        for genotype in (CONVOLUTIONS, IDENTITIES)
    )
    assert min(high) > max(low)


# Screening

CELLS = tuple(
    Genotype((primitive, *["sep_conv_3x3"] * 4, other)) for primitive in PRIMITIVES[:3] for other in PRIMITIVES
)


@pytest.mark.parametrize("score", ZeroCostScore)
def test_screening_keeps_the_best_first(score):
    values = dict(zip(CELLS, zero_cost_scores(CELLS, problem(), score, 5), strict=True))
    kept = screen(CELLS, problem(), score, 4, 5)
    assert [values[genotype] for genotype in kept] == sorted(values.values(), reverse=True)[:4]


@pytest.mark.parametrize("score", ZeroCostScore)
def test_screening_depends_on_its_seed_and_not_on_the_order_of_the_candidates_or_on_other_draws(score):
    expected = zero_cost_scores(CELLS[:3], problem(), score, 5)
    torch.manual_seed(77)
    assert zero_cost_scores(CELLS[2::-1], problem(), score, 5) == expected[::-1]
    assert zero_cost_scores(CELLS[:3], problem(), score, 6) != expected


def test_the_minibatch_is_drawn_from_the_training_images(monkeypatch):
    seen = []

    def record(net, score, inputs, labels):
        seen.append((inputs, labels))
        return 0.0

    monkeypatch.setattr(zero_cost, "zero_cost_score", record)
    for seed in (0, 1):
        zero_cost_scores(CELLS[:2], problem(), ZeroCostScore.NASWOT, seed, batch_size=10)
    (first, labels), (again, _), (other, _), _ = seen
    assert len(first) == 10
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    train = normalise(problem().train.images)
    places = [int((train == image).flatten(1).all(dim=1).nonzero()) for image in first]
    assert len(set(places)) == 10
    assert torch.equal(problem().train.labels[places], labels)


def test_screening_counts_a_repeated_candidate_once_and_keeps_all_where_there_are_few():
    kept = screen((MIXED, IDENTITIES, MIXED), problem(), ZeroCostScore.SYNFLOW, 9, 0)
    assert len(kept) == 2
    assert set(kept) == {MIXED, IDENTITIES}


def test_a_score_that_is_not_a_number_is_the_lowest_and_equal_scores_keep_their_order(monkeypatch):
    values = iter([math.nan, 1.0, -math.inf, 1.0])
    monkeypatch.setattr(zero_cost, "zero_cost_score", lambda *arguments: next(values))
    kept = screen(CELLS[:4], problem(), ZeroCostScore.NASWOT, 3, 0)
    assert kept[:2] == (CELLS[1], CELLS[3])
    values = iter([math.nan, 1.0, 3.0, 2.0])
    assert screen(CELLS[:4], problem(), ZeroCostScore.NASWOT, 4, 0)[-1] == CELLS[0]


def test_impossible_settings_are_refused_by_name():
    with pytest.raises(InvalidSearchError) as refusal:
        screen(CELLS[:2], problem(), ZeroCostScore.NASWOT, 0, 0)
    assert refusal.value.field == "search.keep"
    with pytest.raises(InvalidSearchError) as refusal:
        screen(CELLS[:2], problem(), ZeroCostScore.NASWOT, 1, 0, batch_size=0)
    assert refusal.value.field == "search.batch_size"
