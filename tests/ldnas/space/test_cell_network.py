"""The network of a genotype against slow references: shapes, the cell's graph, operations, counts."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from ldnas.space.complexity import multiply_adds, parameters
from ldnas.space.genotype import PRIMITIVES, Genotype
from ldnas.space.network import Cell, build_cell_network, start_from
from ldnas.space.primitives import BUILDERS, AveragePool, DilatedDepthwiseConvolution
from ldnas.space.skeleton import Skeleton, Stage, default_skeleton

genotypes = st.tuples(*[st.sampled_from(PRIMITIVES)] * 6).map(Genotype)
MIXED = Genotype(("sep_conv_3x3", "dil_conv_5x5", "max_pool_3x3", "identity", "avg_pool_3x3", "conv_7x1_1x7"))


@st.composite
def skeletons(draw):
    stages = draw(st.lists(st.builds(Stage, st.integers(1, 6), st.integers(0, 2)), min_size=1, max_size=3))
    stages.append(Stage(draw(st.integers(1, 6)), 1))
    return Skeleton(draw(st.integers(8, 20)), draw(st.integers(2, 5)), stages[0].channels, tuple(stages))


@given(genotypes, skeletons())
@settings(max_examples=40, deadline=None)
def test_parameters_and_multiply_adds_are_those_of_the_built_network(genotype, skeleton):
    network = build_cell_network(genotype, skeleton, seed=0).eval()
    assert parameters(genotype, skeleton) == sum(tensor.numel() for tensor in network.parameters())
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        logits = network(torch.zeros(1, 3, skeleton.image_size, skeleton.image_size))
    assert multiply_adds(genotype, skeleton) * 2 == counter.get_total_flops()
    assert logits.shape == (1, skeleton.classes)


def test_a_network_begins_at_anothers_weights_and_buffers_but_keeps_its_own_head():
    network = build_cell_network(MIXED, default_skeleton(16, 3), seed=1)
    other = build_cell_network(MIXED, default_skeleton(16, 5), seed=2)
    other(torch.rand(4, 3, 16, 16))  # its batch norms have seen something
    own, head = network.state_dict()["head.weight"].clone(), {"head.weight", "head.bias"}
    start_from(network, other.state_dict())
    assert torch.equal(network.state_dict()["head.weight"], own)
    moved = {name for name in network.state_dict() if name not in head}
    assert any(name.endswith("num_batches_tracked") for name in moved)
    for name in moved:
        assert torch.equal(network.state_dict()[name], other.state_dict()[name]), name


@pytest.mark.parametrize("primitive", PRIMITIVES)
@pytest.mark.parametrize("training", [True, False])
def test_every_operation_keeps_the_shape_of_its_input(primitive, training):
    inputs = torch.randn(2, 6, 5, 8)
    assert BUILDERS[primitive](6).train(training)(inputs).shape == inputs.shape


def test_a_cell_is_the_sum_over_paths():
    torch.manual_seed(0)
    cell = Cell(MIXED, 4).eval()
    o01, o02, o12, o03, o13, o23 = cell.edges
    x = torch.randn(2, 4, 6, 6)
    n1 = o01(x)
    n2 = o02(x) + o12(n1)
    torch.testing.assert_close(cell(x), o03(x) + o13(n1) + o23(n2))


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("shape", [(4, 4), (8, 6), (2, 2), (2, 10), (7, 8)])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_a_dilated_convolution_in_training_equals_torchs_own_with_its_gradients(kernel, shape, memory_format):
    torch.manual_seed(0)
    layer = DilatedDepthwiseConvolution(3, kernel).double()
    inputs = torch.randn(2, 3, *shape, dtype=torch.float64).contiguous(memory_format=memory_format).requires_grad_()
    weight = layer.weight.detach().clone().requires_grad_()
    reference = F.conv2d(inputs, weight, padding=kernel - 1, dilation=2, groups=3)
    outputs = layer(inputs)
    torch.testing.assert_close(outputs, reference)
    cotangent = torch.randn_like(outputs)
    expected = torch.autograd.grad(reference, (inputs, weight), cotangent)
    torch.testing.assert_close(torch.autograd.grad(outputs, (inputs, layer.weight), cotangent), expected)


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (6, 6)])
def test_the_average_pool_equals_torchs_own_without_counting_padding(shape):
    inputs = torch.randn(2, 3, *shape, dtype=torch.float64, requires_grad=True)
    expected = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)(inputs)
    outputs = AveragePool()(inputs)
    torch.testing.assert_close(outputs, expected)
    cotangent = torch.randn_like(outputs)
    gradient = torch.autograd.grad(expected, inputs, cotangent)
    torch.testing.assert_close(torch.autograd.grad(outputs, inputs, cotangent), gradient)


def test_equal_seeds_give_equal_weights_and_leave_torchs_generator_alone():
    skeleton = default_skeleton(8, 3)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, same, other = (build_cell_network(MIXED, skeleton, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(one.head.weight, same.head.weight)
    assert not torch.equal(one.head.weight, other.head.weight)


def test_features_feed_the_head():
    network = build_cell_network(MIXED, default_skeleton(8, 3), seed=0).eval()
    images = torch.randn(2, 3, 8, 8)
    assert network.features(images).shape == (2, network.head.in_features)
    torch.testing.assert_close(network.head(network.features(images)), network(images))


@pytest.mark.parametrize("image_size", [8, 13, 28, 64])
def test_the_sides_of_the_skeleton_are_those_of_the_feature_maps(image_size):
    skeleton = default_skeleton(image_size, 2)
    network = build_cell_network(MIXED, skeleton, seed=0).eval()
    maps = network.stem(torch.zeros(1, 3, image_size, image_size))
    for stage, side in zip(network.stages, skeleton.sides, strict=True):
        maps = stage(maps)
        assert maps.shape[2:] == (side, side)
