"""How long does one thread take to evaluate an image, before and after the changes for processors?

    python -m benchmarks.evaluation

Before: freed memory is returned to the system, and a batch has 256 images. After: a process keeps its freed memory, and
a batch has at most 2¹⁸ pixels. Each way has a process of its own; evaluations of the two alternate, so that a busy
machine slows both. CPU seconds; the ratio has a 90 % interval over the pairs (Student's t on its logarithm).
"""

import argparse
import multiprocessing
import resource
import time
from functools import cache
from multiprocessing.connection import Connection
from typing import Any

import torch
from torch import nn

from benchmarks.environment import save
from benchmarks.steps import CASES, CLASSES, Case, ratio_with_interval
from ldnas.data.preprocessing import normalise
from ldnas.data.task_data import ImageSet
from ldnas.networks.pretrained import embedded_network
from ldnas.training.allocator import keep_freed_memory
from ldnas.training.evaluation import predict_logits

IMAGES = 512
BATCH_BEFORE = 256
ALL = (*CASES, Case("EfficientNet-Lite0", lambda: embedded_network(classes=CLASSES), 128, 32))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.evaluation", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--pairs", type=int, default=8, help="evaluations of each way for each network")
    parser.add_argument("--no-save", action="store_true")
    arguments = parser.parse_args()
    before, after = _Way(is_after=False), _Way(is_after=True)
    result: dict[str, Any] = {"pairs": arguments.pairs, "threads": 1, "images": IMAGES, "networks": {}}
    for number, case in enumerate(ALL):
        _, *pairs = [(before.seconds(number), after.seconds(number)) for _ in range(arguments.pairs + 1)]
        row = {
            "milliseconds_before": round(1000 * sum(own for own, _ in pairs) / len(pairs) / IMAGES, 3),
            "milliseconds_after": round(1000 * sum(own for _, own in pairs) / len(pairs) / IMAGES, 3),
            **ratio_with_interval(pairs),
        }
        print(case.name, case.size, row, flush=True)
        result["networks"][f"{case.name}, {case.size} pixels"] = row
    result["largest_memory_mb"] = {"before": before.end(), "after": after.end()}
    print(result["largest_memory_mb"])
    if not arguments.no_save:
        print(save("evaluation", result))


class _Way:
    """A process that evaluates the networks in one way."""

    def __init__(self, *, is_after: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), kwargs={"is_after": is_after}, daemon=True)
        self._process.start()

    def seconds(self, number: int) -> float:
        """The CPU seconds of one evaluation of `ALL[number]`."""
        self._pipe.send(number)
        seconds: float = self._pipe.recv()
        return seconds

    def end(self) -> float:
        """End the process; the largest memory that it had, in MB."""
        self._pipe.send(None)
        megabytes: float = self._pipe.recv()
        self._process.join()
        return megabytes


def _serve(pipe: Connection, *, is_after: bool) -> None:
    torch.set_num_threads(1)
    if is_after:
        keep_freed_memory()
    while (number := pipe.recv()) is not None:
        pipe.send(_evaluate(number, is_after=is_after))
    pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)


@cache
def _subject(number: int) -> tuple[nn.Module, ImageSet]:
    case = ALL[number]
    images = torch.randint(0, 256, (IMAGES, 3, case.size, case.size), dtype=torch.uint8)
    network = case.network().eval().to(memory_format=torch.channels_last)
    return network, ImageSet(images, torch.zeros(IMAGES, dtype=torch.int64))


def _evaluate(number: int, *, is_after: bool) -> float:
    network, images = _subject(number)
    began = time.process_time()
    if is_after:
        predict_logits(network, images)
    else:
        with torch.no_grad():
            for part in images.images.split(BATCH_BEFORE):
                network(normalise(part))
    return time.process_time() - began


if __name__ == "__main__":
    main()
