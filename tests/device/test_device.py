"""Computation on the GPU where one is present, and on the processor elsewhere, against the processor in float64.

`python -m benchmarks.gpu` runs these tests on a GPU.
"""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ldnas.data.preprocessing import normalise
from ldnas.data.task_data import ImageSet
from ldnas.fisher import empirical_fisher_diagonal
from ldnas.networks.build import build_network
from ldnas.networks.design import CellDesign, PlainDesign
from ldnas.race.kinds import fresh_candidate
from ldnas.race.race import Race, RaceImages, RaceProblem
from ldnas.space.genotype import Genotype
from ldnas.space.network import build_cell_network
from ldnas.space.skeleton import default_skeleton
from ldnas.training.evaluation import evaluate, predict_logits
from ldnas.training.micro_batches import Compute
from ldnas.training.train import TrainConfig

SIZE, CLASSES = 16, 3
CELL = Genotype(("sep_conv_3x3", "identity", "dil_conv_5x5", "max_pool_3x3", "conv_7x1_1x7", "avg_pool_3x3"))
SKELETON = default_skeleton(SIZE, CLASSES)


@pytest.fixture(scope="module")
def device() -> torch.device:
    return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")


def images(count: int = 12) -> ImageSet:
    """Each class is bright in a corner of its own."""
    generator = torch.Generator().manual_seed(count)
    pixels, labels = torch.randint(0, 150, (count, 3, SIZE, SIZE), generator=generator), torch.arange(count) % CLASSES
    for image, label in zip(pixels, labels.tolist(), strict=True):
        top, left = 8 * (label // 2), 8 * (label % 2)
        image[:, top : top + 8, left : left + 8] += 100
    return ImageSet(pixels.to(torch.uint8), labels)


def squares_by_loop(network: nn.Module, own: ImageSet) -> dict[str, torch.Tensor]:
    """The mean of the squared gradients over single images, in float64 on the processor."""
    alone = copy.deepcopy(network).double().cpu().eval()
    sums = {name: torch.zeros_like(parameter) for name, parameter in alone.named_parameters()}
    for inputs, label in zip(normalise(own.images).double(), own.labels, strict=True):
        alone.zero_grad()
        F.cross_entropy(alone(inputs[None]), label[None]).backward()
        for name, parameter in alone.named_parameters():
            assert parameter.grad is not None
            sums[name] += parameter.grad**2
    return {name: value / len(own) for name, value in sums.items()}


@pytest.mark.parametrize("name", ["small_cnn", "cell"])
def test_the_fisher_diagonal_is_that_of_a_loop_in_double_precision(name: str, device: torch.device) -> None:
    cell = build_cell_network(CELL, SKELETON, seed=1)
    network = cell if name == "cell" else build_network(name, classes=CLASSES, seed=1)
    network.eval()
    expected = squares_by_loop(network, images())
    batches = [(normalise(images().images).to(device), images().labels.to(device))]
    found = empirical_fisher_diagonal(network.to(device), batches)
    for key, value in expected.items():
        own = found.blocks[key].double().cpu()
        assert float((own - value).norm() / value.norm().clamp(min=1e-30)) < 1e-4, key


def test_logits_agree_with_those_of_the_processor(device: torch.device) -> None:
    network = build_cell_network(CELL, SKELETON, seed=2).eval()
    with torch.no_grad():
        expected = network.double()(normalise(images().images).double())
    found = predict_logits(network.float().to(device), images().to(device)).double().cpu()
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_a_race_learns_an_easy_task(device: torch.device) -> None:
    train, validation, ticks = images(48).to(device), images(24).to(device), iter(range(10**6))
    recipe = TrainConfig(batch_size=8, learning_rate=3e-3, mixed_precision=True)
    problem = RaceProblem(
        lambda size: RaceImages(train, validation), 200.0, 0, compute=Compute(device), clock=lambda: float(next(ticks))
    )
    candidates = [
        fresh_candidate("cell", CellDesign(CELL, SKELETON), recipe),
        fresh_candidate("plain", PlainDesign(4, SIZE, CLASSES), recipe),
    ]
    outcome = Race(problem, candidates).run()
    assert evaluate(outcome.finishers[0].network, validation).accuracy == 1.0
    assert next(outcome.finishers[0].network.parameters()).device == device
