"""A found network comes back from its weights file as it was exported."""

import pickle

import pytest
import torch

from ldnas.errors import InvalidGenotypeError
from ldnas.export.formats import save_weights
from ldnas.export.loading import load_cell_network
from ldnas.space.genotype import Genotype
from ldnas.space.network import build_cell_network
from ldnas.space.skeleton import Skeleton, Stage

GENOTYPE = Genotype(("sep_conv_3x3", "dil_conv_5x5", "max_pool_3x3", "identity", "avg_pool_3x3", "conv_7x1_1x7"))
SKELETON = Skeleton(16, 3, 4, (Stage(4, 1), Stage(6, 1)))


def exported():
    network = build_cell_network(GENOTYPE, SKELETON, seed=7)
    with torch.no_grad():
        network(torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(0)))
    return network.eval(), save_weights(network, {"name": "x"})


def test_the_network_computes_what_the_exported_one_did_and_is_ready_to():
    network, weights = exported()
    loaded = load_cell_network(weights, GENOTYPE.to_json(), SKELETON.to_json())
    images = torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        assert torch.equal(loaded(images), network(images))
    assert not loaded.training


def test_weights_of_another_network_are_refused():
    _, weights = exported()
    wider = Skeleton(16, 3, 4, (Stage(4, 1), Stage(8, 1)))
    with pytest.raises(ValueError, match="do not belong to the network"):
        load_cell_network(weights, GENOTYPE.to_json(), wider.to_json())
    with pytest.raises(InvalidGenotypeError):
        load_cell_network(weights, {"edges": [[0, 1, "conv9x9"]]}, SKELETON.to_json())


class Trap:
    def __reduce__(self):
        return pytest.fail, ("something that came along was run",)


def test_a_file_that_is_not_safetensors_is_refused_and_never_unpickled():
    for content in (pickle.dumps(Trap()), b"", b"\x02\0\0\0\0\0\0\0{}"):
        with pytest.raises(ValueError):  # noqa: PT011 - each in its own words
            load_cell_network(content, GENOTYPE.to_json(), SKELETON.to_json())


def test_weights_that_are_not_finite_are_refused():
    network = build_cell_network(GENOTYPE, SKELETON, seed=7)
    with torch.no_grad():
        network.head.weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        load_cell_network(save_weights(network, {}), GENOTYPE.to_json(), SKELETON.to_json())
