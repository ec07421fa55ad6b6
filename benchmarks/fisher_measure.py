"""What one process of `fisher.py` measures: one way to the Fisher diagonal, on one network."""

import copy
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from benchmarks.fisher_ways import WAYS, Run, Squares, per_sample_loop
from ldnas.networks.build import build_network
from ldnas.space.genotype import Genotype
from ldnas.space.network import build_cell_network
from ldnas.space.skeleton import default_skeleton

CLASSES = 10
SIDE = 32
IMAGES_FOR_EXACTNESS = 3
CELL = Genotype(("sep_conv_3x3", "conv_7x1_1x7", "dil_conv_3x3", "max_pool_3x3", "sep_conv_5x5", "avg_pool_3x3"))

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "vgg16": lambda: build_network("vgg16", classes=CLASSES, seed=0),
    "resnet18": lambda: build_network("resnet18", classes=CLASSES, seed=0),
    "densenet121": lambda: build_network("densenet121", classes=CLASSES, seed=0),
    "small_cnn": lambda: build_network("small_cnn", classes=CLASSES, seed=0),
    "cell": lambda: build_cell_network(CELL, default_skeleton(SIDE, CLASSES), seed=0),
}
PLAIN_FORMATS = {
    "plain, contiguous": torch.contiguous_format,
    "plain, channels-last": torch.channels_last,
}


@dataclass(frozen=True)
class Case:
    """One row: `way` is one of `WAYS` or of `PLAIN_FORMATS`, `setting` a device and its precision.

    There are at most `rounds` rounds, and no new one after `seconds` seconds.
    """

    setting: str
    network: str
    way: str
    batch: int
    threads: int
    rounds: int
    seconds: float

    @property
    def device(self) -> str:
        return self.setting.split()[0]


def measure(case: Case) -> dict[str, Any]:
    """Memory, times and exactness of one way; of a plain pass only memory and time."""
    torch.set_num_threads(case.threads)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = case.setting.endswith("TF32")
    network = _network_in_use(case.network).to(case.device)
    images, labels = (value.to(case.device) for value in _batch(case.batch))
    if case.way in PLAIN_FORMATS:
        plain = _plain_pass(network, PLAIN_FORMATS[case.way])
        memory = _memory(plain, images, labels)
        return {**memory, "seconds": statistics.median(_seconds(plain, images, labels) for _ in range(case.rounds))}
    prepare = WAYS[case.way][1]
    run = prepare(copy.deepcopy(network))
    return {
        **_memory(run, images, labels),
        **_times(run, network, images, labels, case),
        "errors": _errors(prepare, network, images[:IMAGES_FOR_EXACTNESS], labels[:IMAGES_FOR_EXACTNESS]),
    }


def _network_in_use(name: str) -> nn.Module:
    """The network with fresh weights, its batch norms' running statistics taken from noise like that of the batch."""
    network = NETWORKS[name]().train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean over all batches
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for _ in range(4):
            network(torch.randn(16, 3, SIDE, SIDE, generator=generator))
    return network.eval()


def _batch(size: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    images = torch.randn(size, 3, SIDE, SIDE, generator=generator)
    return images, torch.randint(CLASSES, (size,), generator=generator)


def _plain_pass(network: nn.Module, memory_format: torch.memory_format) -> Callable[[Tensor, Tensor], None]:
    """Forward and backward in eval mode, the gradient of the batch for every parameter."""
    network = copy.deepcopy(network).eval().to(memory_format=memory_format)

    def run(images: Tensor, labels: Tensor) -> None:
        network.zero_grad()
        logits = network(images.contiguous(memory_format=memory_format))
        F.cross_entropy(logits, labels, reduction="sum").backward()

    return run


def _memory(run: Callable[[Tensor, Tensor], Any], images: Tensor, labels: Tensor) -> dict[str, int]:
    """High-water mark before and after one pass, in bytes: of the process, or of tensors on the GPU."""
    start = _high_water(images.device)
    run(images, labels)
    return {"start_bytes": start, "peak_bytes": _high_water(images.device)}


def _high_water(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    # Not getrusage: its mark outlives exec, so that a child would begin with its parent's.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


def _times(run: Run, network: nn.Module, images: Tensor, labels: Tensor, case: Case) -> dict[str, Any]:
    """Seconds of every round, and the ratio to the plain format whose median is the smaller."""
    passes: dict[str, Callable[[Tensor, Tensor], Any]] = {
        name: _plain_pass(network, memory_format) for name, memory_format in PLAIN_FORMATS.items()
    }
    for plain in passes.values():
        plain(images, labels)
    passes["way"] = run
    seconds: dict[str, list[float]] = {name: [] for name in passes}
    began = time.perf_counter()
    for index in range(case.rounds):
        if index and time.perf_counter() - began > case.seconds:
            break
        for name, one_pass in passes.items():
            seconds[name].append(_seconds(one_pass, images, labels))
    fastest = min(PLAIN_FORMATS, key=lambda name: statistics.median(seconds[name]))
    ratios = [way / plain for way, plain in zip(seconds["way"], seconds[fastest], strict=True)]
    return {
        "plain": fastest,
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
        "round_seconds": seconds,
    }


def _seconds(run: Callable[[Tensor, Tensor], Any], images: Tensor, labels: Tensor) -> float:
    began = time.perf_counter()
    run(images, labels)
    if images.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def _errors(prepare: Callable[[nn.Module], Run], network: nn.Module, images: Tensor, labels: Tensor) -> dict[str, Any]:
    """The worst parameter tensor's ‖F − F64‖₂ / ‖F64‖₂, F64 from a float64 loop over the samples.

    `float64` shows the method without rounding. `float32` holds another gradient wherever rounding carries an
    activation across the kink of a ReLU or max-pool; the row of the per-sample loop shows how much that makes.
    `float32_smooth` is the same network with SiLU and average pooling in their place: rounding alone.
    """
    expected = per_sample_loop(copy.deepcopy(network).double())(images.double(), labels)
    with _Smooth():
        smooth = per_sample_loop(copy.deepcopy(network).double())(images.double(), labels)
    found = prepare(copy.deepcopy(network).double())(images.double(), labels)
    errors = {"float64": _worst_tensor(found, expected)}
    errors["float32"] = _worst_tensor(prepare(copy.deepcopy(network))(images, labels), expected)
    run = prepare(copy.deepcopy(network))
    with _Smooth():
        errors["float32_smooth"] = _worst_tensor(run(images, labels), smooth)
    return errors


def _worst_tensor(found: Squares, expected: Squares) -> dict[str, Any]:
    if found.keys() != expected.keys():
        raise SystemExit(f"not every parameter has squares: {sorted(found.keys() ^ expected.keys())}")
    relative = {
        name: float(torch.linalg.vector_norm(found[name].double() - block) / torch.linalg.vector_norm(block))
        for name, block in expected.items()
    }
    worst = max(relative, key=lambda name: relative[name])
    return {"relative": relative[worst], "tensor": worst}


class _Smooth(TorchFunctionMode):
    """Every ReLU is a SiLU and every max-pool an average pool."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in (F.relu, torch.relu):
            return F.silu(args[0])
        if func is F.max_pool2d:
            keep = ("kernel_size", "stride", "padding", "ceil_mode")
            return F.avg_pool2d(*args, **{name: value for name, value in (kwargs or {}).items() if name in keep})
        return func(*args, **(kwargs or {}))
