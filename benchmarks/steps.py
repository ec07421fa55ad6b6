"""How many training steps a second does one thread make, before and after the changes for processors?

    python -m benchmarks.steps

Before: unfolded batch norms, timm's strided depthwise convolutions, AdamW that is not fused, and autograd's gradient of
the average pool. A step is what `fit` does for a batch, with augmentation, in CPU seconds. Steps before and after
alternate, so that a busy machine slows both; the ratio has a 90 % interval over the pairs (Student's t on its
logarithm).
"""

import argparse
import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from scipy import stats
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.environment import save
from ldnas.data.preprocessing import normalise
from ldnas.networks.build import build_network
from ldnas.networks.depthwise import SameDepthwiseConv
from ldnas.networks.pretrained import PretrainedNetwork, embedded_network
from ldnas.networks.resnet import build_scaled_resnet18
from ldnas.space.genotype import Genotype
from ldnas.space.network import build_cell_network
from ldnas.space.primitives import AveragePool
from ldnas.space.skeleton import default_skeleton
from ldnas.training.augmentation import Augmentation

CLASSES = 10
MIXED = Genotype(("sep_conv_3x3", "dil_conv_5x5", "max_pool_3x3", "identity", "avg_pool_3x3", "sep_conv_5x5"))
CONVOLUTIONS = Genotype(("sep_conv_3x3", "identity", "sep_conv_5x5", "identity", "sep_conv_3x3", "dil_conv_3x3"))


@dataclass(frozen=True)
class Case:
    """A network at a size of images and a batch size, as the recipes have them."""

    name: str
    network: Callable[[], nn.Module]
    size: int
    batch: int


def cell(genotype: Genotype, size: int) -> Callable[[], nn.Module]:
    return lambda: build_cell_network(genotype, default_skeleton(size, CLASSES), seed=0)


CASES = (
    Case("digits: cell with an average pool", cell(MIXED, 8), 8, 64),
    Case("digits: cell of convolutions", cell(CONVOLUTIONS, 8), 8, 64),
    Case("digits: ResNet-18, 16 channels", lambda: build_scaled_resnet18(CLASSES, seed=0, width=16), 8, 64),
    Case("digits: small_cnn", lambda: build_network("small_cnn", classes=CLASSES, seed=0), 8, 64),
    Case("EfficientNet-Lite0", lambda: embedded_network(classes=CLASSES), 64, 32),
    Case("64 pixels: cell with an average pool", cell(MIXED, 64), 64, 64),
    Case("64 pixels: cell of convolutions", cell(CONVOLUTIONS, 64), 64, 64),
    Case("64 pixels: ResNet-18, 16 channels", lambda: build_scaled_resnet18(CLASSES, seed=0, width=16), 64, 64),
    Case("64 pixels: small_cnn", lambda: build_network("small_cnn", classes=CLASSES, seed=0), 64, 64),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.steps", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=12, help="steps of each way for each network")
    parser.add_argument("--no-save", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    result: dict[str, Any] = {"pairs": arguments.pairs, "threads": 1, "networks": {}}
    for case in CASES:
        result["networks"][case.name] = compare(case, arguments.pairs)
        print(case.name, result["networks"][case.name], flush=True)
    if not arguments.no_save:
        print(save("steps", result))


def compare(case: Case, pairs: int) -> dict[str, Any]:
    """Steps a second before and after, and the ratio after / before."""
    after = case.network().train().to(memory_format=torch.channels_last)
    before = copy.deepcopy(after)
    _as_before(before)
    images = torch.randint(0, 256, (case.batch, 3, case.size, case.size), dtype=torch.uint8)
    labels = torch.arange(case.batch) % CLASSES
    ways = [_Way(before, fused=False), _Way(after, fused=True)]
    for way in ways:
        way.step(images, labels)
        way.step(images, labels)
    times = [(ways[0].step(images, labels), ways[1].step(images, labels)) for _ in range(pairs)]
    of_before, of_after = (pairs / sum(each) for each in zip(*times, strict=True))
    return {
        "size": case.size,
        "batch": case.batch,
        "steps_per_second_before": round(of_before, 2),
        "steps_per_second_after": round(of_after, 2),
        **ratio_with_interval(times),
    }


def ratio_with_interval(times: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """The geometric mean of before / after over pairs of seconds, and its 90 % interval."""
    logs = [math.log(before / after) for before, after in times]
    mean, half = sum(logs) / len(logs), float(stats.t.ppf(0.95, len(logs) - 1)) * float(stats.sem(logs))
    return {
        "ratio": round(math.exp(mean), 2),
        "interval": [round(math.exp(mean - half), 2), round(math.exp(mean + half), 2)],
    }


class _Way:
    def __init__(self, network: nn.Module, *, fused: bool) -> None:
        self._network = network
        self._optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5, fused=fused)
        self._generator = torch.Generator().manual_seed(0)

    def step(self, images: Tensor, labels: Tensor) -> float:
        """The CPU seconds of one step."""
        augmentation = Augmentation(shift_pixels=max(1, images.shape[-1] // 16), flip=True, colour=0.1, erased=0.4)
        began = time.process_time()
        inputs = augmentation.apply(normalise(images), self._generator).contiguous(memory_format=torch.channels_last)
        self._network.zero_grad(set_to_none=True)
        F.cross_entropy(self._network(inputs), labels).backward()
        self._optimizer.step()
        return time.process_time() - began


class _PoolBefore(nn.Module):
    """The average pool with the gradient that autograd derives."""

    def forward(self, inputs: Tensor) -> Tensor:
        counts = F.pad(torch.ones_like(inputs[:1, :1]), (1, 1, 1, 1))
        padded = F.pad(inputs, (1, 1, 1, 1))
        return _shifted_sums(padded) * _shifted_sums(counts).reciprocal()


def _shifted_sums(padded: Tensor) -> Tensor:
    sums = padded[:, :, :-2] + padded[:, :, 1:-1] + padded[:, :, 2:]
    return sums[..., :-2] + sums[..., 1:-1] + sums[..., 2:]


def _as_before(network: nn.Module) -> None:
    if isinstance(network, PretrainedNetwork):
        network._folded = ()
    for module in list(network.modules()):
        if isinstance(module, SameDepthwiseConv):
            module.__class__ = Conv2dSame
        for name, child in module.named_children():
            if isinstance(child, AveragePool):
                setattr(module, name, _PoolBefore())


if __name__ == "__main__":
    main()
