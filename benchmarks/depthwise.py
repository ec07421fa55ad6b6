"""How much faster does EfficientNet-Lite0 train with `DepthwiseConv` than with torch's own depthwise convolutions?

    python -m benchmarks.depthwise

A step is one forward and backward pass over a batch on one thread, in CPU seconds. Steps of the two networks alternate,
so that a busy machine slows both; the ratio has a 90 % interval over the pairs (Student's t on its logarithm).
"""

import argparse
import math
import time
from typing import Any

import torch
from scipy import stats
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.environment import save
from ldnas.networks.depthwise import DepthwiseConv, SameDepthwiseConv
from ldnas.networks.pretrained import PretrainedNetwork, embedded_network

SIZES = (32, 48, 64, 96, 128)
BATCH, CLASSES = 32, 10


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.depthwise", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--pairs", type=int, default=15, help="steps of each network at each size")
    parser.add_argument("--no-save", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    own, plain = embedded_network(classes=CLASSES), embedded_network(classes=CLASSES)
    _use_plain(plain.backbone)
    result: dict[str, Any] = {"batch": BATCH, "pairs": arguments.pairs, "threads": 1, "sizes": {}}
    for size in SIZES:
        result["sizes"][str(size)] = compare(own, plain, size, arguments.pairs)
        print(size, result["sizes"][str(size)], flush=True)
    if not arguments.no_save:
        print(save("depthwise", result))


def compare(own: PretrainedNetwork, plain: PretrainedNetwork, size: int, pairs: int) -> dict[str, Any]:
    """The milliseconds of a step of each, for one image, and the ratio plain / own."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(BATCH, 3, size, size, generator=generator).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(BATCH) % CLASSES
    networks = [network.train().to(memory_format=torch.channels_last) for network in (plain, own)]
    for network in networks:
        _seconds(network, inputs, labels)
    times = [[_seconds(network, inputs, labels) for network in networks] for _ in range(pairs)]
    logs = [math.log(of_plain / of_own) for of_plain, of_own in times]
    mean, error = sum(logs) / pairs, float(stats.sem(logs))
    half = float(stats.t.ppf(0.95, pairs - 1)) * error
    of_plain, of_own = (1000 / BATCH * sum(each) / pairs for each in zip(*times, strict=True))
    return {
        "plain_ms_per_image": round(of_plain, 2),
        "own_ms_per_image": round(of_own, 2),
        "ratio": round(math.exp(mean), 2),
        "interval": [round(math.exp(mean - half), 2), round(math.exp(mean + half), 2)],
    }


def _seconds(network: nn.Module, inputs: Tensor, labels: Tensor) -> float:
    network.zero_grad()
    began = time.process_time()
    F.cross_entropy(network(inputs), labels).backward()
    return time.process_time() - began


def _use_plain(module: nn.Module) -> None:
    """Undo `use_fast_depthwise`."""
    for child in module.modules():
        if isinstance(child, DepthwiseConv):
            child.__class__ = Conv2dSame if isinstance(child, SameDepthwiseConv) else nn.Conv2d


if __name__ == "__main__":
    main()
