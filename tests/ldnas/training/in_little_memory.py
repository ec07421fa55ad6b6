"""Runs each act named on the command line in a process of its own that may take little more memory than it has.

Prints one JSON object a line: the result of the act, and the sizes that were reported to it.
"""

import json
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ldnas.data.task_data import ImageSet
from ldnas.distance.observation import observe
from ldnas.errors import OutOfMemoryError
from ldnas.networks.build import build_network
from ldnas.recipe import Recipe
from ldnas.search.base import SearchBudget, SearchProblem, SearchRun
from ldnas.search.strategies import build_strategy
from ldnas.space.skeleton import Skeleton, Stage
from ldnas.space.space import FULL_SPACE
from ldnas.training.micro_batches import Compute, MicroBatches
from ldnas.training.train import TrainConfig, evaluate, fit

MIB = 2**20


def halves(count: int, *, size: int = 64, seed: int = 0) -> ImageSet:
    """Two classes: the upper or the lower half is bright, under noise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    images = torch.randint(0, 100, (count, 3, size, size), generator=generator, dtype=torch.uint8)
    for image, label in zip(images, labels.tolist(), strict=True):
        image[:, label * size // 2 :][:, : size // 2] += 120
    return ImageSet(images, labels)


def allow(more: int) -> None:
    """Limits the address space to `more` bytes above its present size, after a small step has made its preparations."""
    network = build_network("small_cnn", classes=2, seed=0)
    fit(network, halves(4), config=TrainConfig(epochs=1, batch_size=2, minimum_steps=1), seed=0)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def learn(memory: MicroBatches) -> dict[str, Any]:
    network = build_network("small_cnn", classes=2, seed=0)
    allow(60 * MIB)
    fit(network, halves(128), config=TrainConfig(epochs=3, averaged=0.2), seed=1, micro_batches=memory)
    return {"accuracy": evaluate(network, halves(64, seed=9), micro_batches=memory).accuracy}


def learn_from_too_large_images(memory: MicroBatches) -> dict[str, Any]:
    network = build_network("small_cnn", classes=2, seed=0)
    images = halves(8, size=256)
    allow(8 * MIB)
    fit(network, images, config=TrainConfig(epochs=1), seed=1, micro_batches=memory)
    return {}


def search(name: str, more: int) -> Callable[[MicroBatches], dict[str, Any]]:
    def act(memory: MicroBatches) -> dict[str, Any]:
        skeleton = Skeleton(32, 2, 8, (Stage(8, 1),))
        images = halves(64, size=32), halves(64, size=32, seed=1)
        problem = SearchProblem(*images, FULL_SPACE, skeleton, compute=Compute(micro_batches=memory))
        allow(more)
        outcome = build_strategy(name, batch_size=64).search(SearchRun(problem, SearchBudget(iterations=1), 0))
        return {"accuracy": max(score.validation_accuracy for score in outcome.scored)}

    return act


def see(recipe: Recipe) -> Callable[[MicroBatches], dict[str, Any]]:
    def act(memory: MicroBatches) -> dict[str, Any]:
        network = build_network("small_cnn", classes=2, seed=0)
        images = halves(64)
        unlimited = observe(network, images, classes=2, recipe=recipe)
        allow(30 * MIB)
        seen = observe(network, images, classes=2, recipe=recipe, micro_batches=memory)
        return {"unlimited": unlimited.log_det.mean_log_det, "limited": seen.log_det.mean_log_det}

    return act


ACTS = {
    "learn": learn,
    "learn_from_too_large_images": learn_from_too_large_images,
    "fuse": search("fuse", 25 * MIB),
    "darts": search("darts", 120 * MIB),
    "fisher": see(Recipe(samples=64, probe_images=64)),
    "batch_mean": see(Recipe(samples=64, probe_images=64, variant="batch_mean")),
}


def main() -> None:
    torch.set_num_threads(1)
    for name in sys.argv[1:]:
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            continue
        sizes: list[int] = []
        try:
            result = ACTS[name](MicroBatches(None, sizes.append))
        except OutOfMemoryError as refusal:
            result = {"refusal": refusal.message}
        print(json.dumps({"act": name, "sizes": sizes, **result}), flush=True)
        os._exit(0)


if __name__ == "__main__":
    main()
