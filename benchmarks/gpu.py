"""All measurements that need a GPU, in one run that is meant to take at most eight minutes.

    python -m benchmarks.gpu --data ../data      # on one data-centre GPU
    python -m benchmarks.gpu --rehearse          # every part on the processor, with tiny sizes and noise; nothing saved

Needs ldnas's sources, torch, torchvision, numpy, pyarrow, scipy, scikit-learn, timm and pytest; the service and
ImageNet's weights need not be installed.

- `tests`: tests/device, on the GPU.
- `fisher`: seconds of the Fisher diagonal over a plain pass, and its errors, as in `fisher.py`.
- `fuse`: an iteration of FUSE against the plain loop, as in `fuse_speed.py`, in seconds of the wall clock.
- `task6`: the paper's Task 6 from all training images to a trained network of at most 3.02 million parameters, by a
  race. Published: 90.87 %. The test images are read once, at the end.
"""

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.environment import save
from benchmarks.fisher_measure import PLAIN_FORMATS, Case, measure
from benchmarks.fuse_speed import speeds
from benchmarks.paper.data import PaperData
from benchmarks.paper.tasks import TASKS
from ldnas.data.task_data import ImageSet
from ldnas.networks.design import Kind
from ldnas.race.field import RaceTask, candidates_for
from ldnas.race.race import Race, RaceImages, RaceProblem
from ldnas.search.base import SearchProblem
from ldnas.space.constraints import Constraints
from ldnas.space.skeleton import default_skeleton
from ldnas.space.space import FULL_SPACE
from ldnas.training.evaluation import evaluate
from ldnas.training.final import DataFacts, final_config
from ldnas.training.micro_batches import Compute
from ldnas.training.train import TrainConfig

ROOT = Path(__file__).parents[1]
MOST_PARAMETERS = 3_020_000
SIDE = 32
CANDIDATES = 3


@dataclass(frozen=True)
class Sizes:
    """The sizes of a run: batch and rounds of the Fisher diagonal, rounds of FUSE, seconds of the race."""

    networks: tuple[str, ...] = ("vgg16", "resnet18", "cell")
    batch: int = 256
    rounds: int = 9
    fuse_rounds: int = 5
    race_seconds: float = 240.0


REHEARSAL = Sizes(networks=("small_cnn",), batch=2, rounds=1, fuse_rounds=1, race_seconds=1.0)


@dataclass(frozen=True, eq=False)
class Images:
    """The images of a task at 32 pixels; the race takes them at half of it too."""

    train: ImageSet
    validation: ImageSet
    test: ImageSet
    classes: int


def task6(data: PaperData, size: int = SIDE) -> Images:
    """All images of the paper's Task 6."""
    task = TASKS["paper"][6]
    train, validation, test = (
        task.images(data.images(task.dataset, split, size), limit=None, seed=0)
        for split in ("train", "validation", "test")
    )
    return Images(train, validation, test, classes=task.classes)


def noise(size: int = SIDE) -> Images:
    """A few images of noise in four classes, each brighter in a corner of its own."""
    generator = torch.Generator().manual_seed(0)

    def part(count: int) -> ImageSet:
        pixels, half = torch.randint(0, 150, (count, 3, size, size), generator=generator), size // 2
        labels = torch.arange(count) % 4
        for image, label in zip(pixels, labels.tolist(), strict=True):
            top, left = half * (label // 2), half * (label % 2)
            image[:, top : top + half, left : left + half] += 100
        return ImageSet(pixels.to(torch.uint8), labels)

    return Images(part(48), part(24), part(24), classes=4)


def run_tests(device: torch.device) -> dict[str, Any]:
    """Run tests/device; the last line of pytest's report, and its status."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/device"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)
    return {"device": str(device), "status": found.returncode, "summary": found.stdout.strip().splitlines()[-1:]}


def fisher(sizes: Sizes, device: torch.device) -> list[dict[str, Any]]:
    """A row for each network and way."""
    setting = f"{device.type} float32"
    return [
        {
            "network": network,
            "way": way,
            **measure(Case(setting, network, way, sizes.batch, torch.get_num_threads(), sizes.rounds, seconds=30.0)),
        }
        for network in sizes.networks
        for way in (*PLAIN_FORMATS, "ldnas")
    ]


def fuse(sizes: Sizes, device: torch.device, images: Images) -> list[dict[str, Any]]:
    """A row for each variant of FUSE."""
    train, validation = images.train.to(device), images.validation.to(device)
    skeleton = default_skeleton(SIDE, images.classes)
    problem = SearchProblem(train, validation, FULL_SPACE, skeleton, compute=Compute(device))
    cells = [FULL_SPACE.sample(random.Random(number)) for number in range(CANDIDATES)]
    return speeds(problem, [cells], repetitions=sizes.fuse_rounds, clock=waited(device))


def waited(device: torch.device) -> Callable[[], float]:
    """Seconds of the wall clock, read when the device has done its work."""

    def clock() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter()

    return clock


def race(sizes: Sizes, device: torch.device, images_at: Callable[[int], Images]) -> dict[str, Any]:
    """The race of cells and ResNet-18, and the test accuracy of its winner."""
    classes = images_at(SIDE).classes
    counts = torch.bincount(images_at(SIDE).train.labels, minlength=classes)

    def recipe(size: int) -> TrainConfig:
        validation = len(images_at(size).validation)
        return final_config(DataFacts(tuple(counts.tolist()), validation, size, colour=True, mirrors=True))

    def images(size: int) -> RaceImages:
        own = images_at(size)
        return RaceImages(own.train.to(device), own.validation.to(device))

    fields = RaceTask(
        SIDE,
        classes,
        [FULL_SPACE.sample(random.Random(0))],
        recipe,
        limits=Constraints(max_parameters=MOST_PARAMETERS),
        kinds=frozenset({Kind.CELL, Kind.PLAIN}),
    )
    compute = Compute(device)
    problem = RaceProblem(images, sizes.race_seconds, seed=0, compute=compute, clock=waited(device))
    outcome = Race(problem, candidates_for(fields)).run()
    winner = outcome.finishers[0]
    test = images_at(winner.candidate.image_size).test.to(device)
    return {
        "accuracy": evaluate(winner.network, test, micro_batches=compute.micro_batches).accuracy,
        "winner": winner.candidate.name,
        "parameters": winner.candidate.parameters,
        "seconds": outcome.seconds,
        "finishers": {
            own.candidate.name: [asdict(cycle) for cycle in own.progress.cycles] for own in outcome.finishers
        },
        "passed_over": [own.name for own in outcome.passed_over],
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="the folder with cifar10/ as Parquet")
    parser.add_argument("--rehearse", action="store_true", help="tiny sizes and noise, on the processor; nothing saved")
    arguments = parser.parse_args()
    if not arguments.rehearse and (arguments.data is None or not torch.cuda.is_available()):
        parser.error("it needs --data and a GPU; --rehearse needs neither")
    sizes = REHEARSAL if arguments.rehearse else Sizes()
    device = torch.device("cpu" if arguments.rehearse else "cuda:0")
    data = None if arguments.rehearse else PaperData(arguments.data)

    def images_at(size: int) -> Images:
        return noise(size) if data is None else task6(data, size)

    result: dict[str, Any] = {}
    parts: dict[str, Callable[[], Any]] = {
        "tests": lambda: run_tests(device),
        "fisher": lambda: fisher(sizes, device),
        "fuse": lambda: fuse(sizes, device, images_at(SIDE)),
        "task6": lambda: race(sizes, device, images_at),
    }
    for name, part in parts.items():
        began = time.perf_counter()
        result[name] = {"result": part(), "seconds": time.perf_counter() - began}
        print(json.dumps({name: result[name]}), flush=True)
    if not arguments.rehearse:
        gpu = torch.cuda.get_device_name(device)
        print(save("gpu", {"gpu": gpu, "sizes": asdict(sizes), **result}))


if __name__ == "__main__":
    main()
