"""The supernet against its own operations, applied by hand."""

import pytest
import torch

from ldnas.errors import InvalidGenotypeError
from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import Skeleton, Stage
from ldnas.space.space import SearchSpace
from ldnas.space.supernet import build_supernet

SPACE = SearchSpace(("identity", "sep_conv_3x3", "max_pool_3x3"))
SKELETON = Skeleton(8, 2, 4, (Stage(4, 1), Stage(8, 1)))
GENOTYPE = Genotype(("sep_conv_3x3", "identity", "max_pool_3x3", "sep_conv_3x3", "max_pool_3x3", "identity"))
IMAGES = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def by_hand(network, edge_of):
    """Both stages written out; `edge_of(edge, inputs, place)` is what one edge gives."""
    maps = network.stem(IMAGES)
    first, reduce, second = network.body
    for module in (first, reduce, second):
        if module is reduce:
            maps = module(maps)
            continue
        e = module.edges
        one = edge_of(e[0], maps, 0)
        two = edge_of(e[1], maps, 1) + edge_of(e[2], one, 2)
        maps = edge_of(e[3], maps, 3) + edge_of(e[4], one, 4) + edge_of(e[5], two, 5)
    return network.head(maps.relu().mean(dim=(2, 3)))


def test_a_path_is_the_network_of_its_operations_alone():
    network = build_supernet(SPACE, SKELETON, seed=0)
    index = [SPACE.primitives.index(primitive) for primitive in GENOTYPE.primitives]
    expected = by_hand(network, lambda edge, inputs, place: edge.operations[index[place]](inputs))
    torch.testing.assert_close(network(IMAGES, GENOTYPE), expected)
    one_hot = torch.nn.functional.one_hot(torch.tensor(index), 3).float()
    torch.testing.assert_close(network(IMAGES, one_hot), expected)


def test_a_mixture_is_the_weighted_sum_of_the_operations_on_every_edge():
    network = build_supernet(SPACE, SKELETON, seed=0)
    weights = torch.rand(6, 3, generator=torch.Generator().manual_seed(1))

    def mixed(edge, inputs, place):
        return sum(weights[place, index] * edge.operations[index](inputs) for index in range(3))

    torch.testing.assert_close(network(IMAGES, weights), by_hand(network, mixed))


def test_a_genotype_outside_the_space_is_refused():
    with pytest.raises(InvalidGenotypeError):
        build_supernet(SPACE, SKELETON, seed=0)(IMAGES, Genotype(("avg_pool_3x3",) * 6))


def test_equal_seeds_give_equal_weights_and_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    first, second, other = (build_supernet(SPACE, SKELETON, seed=seed).head.weight for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.get_rng_state())
