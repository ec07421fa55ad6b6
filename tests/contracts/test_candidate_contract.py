"""Every kind of candidate: its first weights, its counted size, its recipe in a race, and its exported files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file

from ldnas.data.task_data import ImageSet
from ldnas.export.formats import export_program, onnx_model
from ldnas.networks.classifier import Classifier
from ldnas.networks.design import MOBILENET, CellDesign, Kind, PlainDesign, PretrainedDesign
from ldnas.networks.designed import counted_macs
from ldnas.race.candidate import Candidate
from ldnas.race.kinds import GivenWeights, fresh_candidate, pretrained_candidate, warm_candidate
from ldnas.race.race import Race, RaceImages, RaceProblem
from ldnas.space.genotype import Genotype
from ldnas.space.network import build_cell_network
from ldnas.space.skeleton import default_skeleton
from ldnas.training.train import TrainConfig

SIZE, CLASSES = 32, 3
RECIPE = TrainConfig(batch_size=8, label_smoothing=0.1, averaged=0.05)
CELL = Genotype(("sep_conv_3x3", "identity", "dil_conv_5x5", "max_pool_3x3", "conv_7x1_1x7", "avg_pool_3x3"))
SKELETON = default_skeleton(SIZE, CLASSES)


def warm_cell() -> Candidate:
    source = build_cell_network(CELL, default_skeleton(SIZE, CLASSES + 2), seed=9)
    design = CellDesign(CELL, SKELETON)
    return warm_candidate("warm", design, RECIPE, started_from="a source", start=source.state_dict())


def given_weights(folder: Path) -> Candidate:
    """A network of timm with weights from a file."""
    backbone = timm.create_model("test_efficientnet", pretrained=False)
    save_file(backbone.state_dict(), folder / "weights.safetensors")
    given = GivenWeights("test_efficientnet", "0" * 64, folder / "weights.safetensors", "dataset://mine")
    design = PretrainedDesign(SIZE, CLASSES, given.architecture, given.digest)
    return pretrained_candidate("given", design, RECIPE, given=given)


def weights_for_torchvision(folder: Path) -> Candidate:
    """A network of torchvision, whose classifier is a convolution, with weights from a file."""
    save_file(torchvision.models.squeezenet1_1().state_dict(), folder / "weights.safetensors")
    given = GivenWeights("torchvision/squeezenet1_1", "0" * 64, folder / "weights.safetensors", "dataset://mine")
    design = PretrainedDesign(SIZE, CLASSES, given.architecture, given.digest)
    return pretrained_candidate("torchvision", design, RECIPE, given=given)


KINDS: dict[str, Callable[[Path], Candidate]] = {
    "cold cell": lambda folder: fresh_candidate("cold", CellDesign(CELL, SKELETON), RECIPE),
    "warm cell": lambda folder: warm_cell(),
    "resnet18": lambda folder: fresh_candidate("plain", PlainDesign(8, SIZE, CLASSES), RECIPE),
    "mobilenet": lambda folder: fresh_candidate("mobile", PlainDesign(0.35, SIZE, CLASSES, MOBILENET), RECIPE),
    "given weights": given_weights,
    "torchvision": weights_for_torchvision,
    "pretrained": lambda folder: pretrained_candidate("pretrained", PretrainedDesign(SIZE, CLASSES), RECIPE),
}


LARGE = {"mobilenet", "pretrained"}
"""The kinds whose networks take tens of seconds to train and export; the others follow the same code."""


@pytest.fixture(params=[pytest.param(kind, marks=[pytest.mark.long] if kind in LARGE else []) for kind in KINDS])
def candidate(request: pytest.FixtureRequest, tmp_path: Path) -> Candidate:
    return KINDS[request.param](tmp_path)


def images(count: int) -> ImageSet:
    generator = torch.Generator().manual_seed(count)
    pixels = torch.randint(0, 256, (count, 3, SIZE, SIZE), generator=generator, dtype=torch.uint8)
    return ImageSet(pixels, torch.arange(count) % CLASSES)


def test_it_builds_the_network_that_it_describes(candidate: Candidate) -> None:
    network = candidate.build(1)
    assert sum(parameter.numel() for parameter in network.parameters()) == candidate.parameters
    assert counted_macs(network, SIZE) == pytest.approx(candidate.macs, rel=0.001)
    assert network.eval()(torch.zeros(2, 3, candidate.image_size, candidate.image_size)).shape == (2, CLASSES)


def test_equal_seeds_give_equal_weights(candidate: Candidate) -> None:
    first, second = (candidate.build(5).state_dict() for _ in range(2))
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def test_it_races_keeps_a_tiny_budget_and_exports_to_equal_files(candidate: Candidate) -> None:
    own = RaceImages(images(24), images(12))
    outcome = Race(RaceProblem(lambda size: own, seconds=0.01, seed=0), [candidate]).run()
    (finisher,) = outcome.finishers
    assert finisher.progress.passes == (0 if candidate.prepare else 1), "a fitted head needs no epoch"
    inputs = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        expected = finisher.network(inputs).numpy()
    program = export_program(finisher.network, SIZE)
    np.testing.assert_allclose(program.module()(inputs).detach().numpy(), expected, atol=1e-4)
    session = onnxruntime.InferenceSession(onnx_model(program, {}), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"images": inputs.numpy()})[0], expected, atol=1e-4)


def test_a_warm_cell_begins_with_the_weights_of_its_source_but_for_the_head() -> None:
    candidate, source = warm_cell(), build_cell_network(CELL, default_skeleton(SIZE, CLASSES + 2), seed=9)
    own, given = candidate.build(1).state_dict(), source.state_dict()
    assert candidate.kind is Kind.CELL
    assert candidate.started_from == "a source"
    assert all(torch.equal(tensor, given[name]) for name, tensor in own.items() if not name.startswith("head."))
    assert own["head.weight"].shape[0] == CLASSES


def test_a_pretrained_network_begins_with_a_fitted_head(tmp_path: Path) -> None:
    candidate, train = KINDS["pretrained"](tmp_path), images(24)
    network = candidate.build(0)
    assert candidate.prepare is not None
    assert isinstance(network, Classifier)
    before = {name: tensor.clone() for name, tensor in network.backbone.state_dict().items()}
    candidate.prepare(network, train, RaceProblem(lambda size: RaceImages(train, train), 1.0, 0).compute)
    with torch.no_grad():
        predictions = network.eval()(train.images.float() / 127.5 - 1).argmax(dim=1)
    assert (predictions == train.labels).float().mean() > 0.9
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.backbone.state_dict().items())
