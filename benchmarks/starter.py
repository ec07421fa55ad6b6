"""Makes the starter memory that the package carries: scores and trained cells of the paper's eight tasks.

    python -m benchmarks.starter --data ../data --out ldnas/memory/starter

Cells drawn from the full space by a fixed seed are trained on each task, each in one complete annealed cycle of the
product's recipe, and scored on validation images. The two best cells by the pooled scores are then trained longer on
three tasks, and their weights are kept.

No test image is read, and of the training files only one half: of the splits `train` and `validation`, both of which
are parts of the training files, the images at even places in the file's order. A benchmark can judge by the images at
odd places, on which nothing of the starter memory depends; a task that it judges on is left out with
`read_starter(exclude=["Task 6"])`.

A cell on a task is one unit; units leave rows in `--work`, and a run that was stopped resumes.
"""

import argparse
import hashlib
import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from benchmarks.paper.data import PaperData
from benchmarks.paper.running import print_row, run_plan
from benchmarks.paper.tasks import CIFAR10, TASKS, PaperTask
from benchmarks.paper.units import Row, Rows, Unit
from ldnas.data.dataset import joined_fingerprints
from ldnas.data.task_data import ImageSet
from ldnas.memory.pooled import pool
from ldnas.memory.proposals import propose
from ldnas.memory.scores import CellScore
from ldnas.memory.starter import MANIFEST, SCORES, SEEN, WEIGHTS
from ldnas.networks.design import CellDesign
from ldnas.networks.designed import build_designed
from ldnas.seeding import derive_seed
from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import default_skeleton
from ldnas.space.space import FULL_SPACE
from ldnas.training.evaluation import evaluate
from ldnas.training.final import DataFacts, final_config
from ldnas.training.train import fit

SEED = 0
BEST = 2
"""The number of cells whose weights are kept."""

MOST_BYTES = 4_000_000
"""The most that the weights of all cells may take."""


@dataclass(frozen=True)
class Settings:
    """The size of a run.

    Attributes:
        cells: drawn and scored on every task.
        images: training images of a score.
        validation: validation images of a score and of a trained cell.
        epochs: of a score.
        size: side of the images, in pixels.
        final_tasks: the tasks on which the best cells are trained.
        final_images: training images of a trained cell.
        final_epochs: of a trained cell.
    """

    cells: int = 40
    images: int = 1000
    validation: int = 1000
    epochs: int = 3
    size: int = 16
    final_tasks: tuple[int, ...] = (3, 5, 7)
    final_images: int = 5000
    final_epochs: int = 15


REHEARSAL = Settings(cells=3, images=40, validation=30, epochs=1, size=8, final_images=40, final_epochs=1)
"""Every line of a run, in seconds."""


def draw_cells(count: int) -> tuple[Genotype, ...]:
    """Cells of the full space; more cells begin with the same ones."""
    return FULL_SPACE.sample_distinct(random.Random(derive_seed(SEED, "starter", "cells")), count)


def places(task: PaperTask, data: PaperData, split: str, size: int, count: int) -> Tensor:
    """The places in a split, all even, of at most `count` images of the task, drawn by the seed."""
    labels = data.images(task.dataset, split, size).labels
    even = torch.arange(0, len(labels), 2)
    return task.images(ImageSet(even, labels[even]), limit=count, seed=SEED).images


def images_of(task: PaperTask, data: PaperData, split: str, size: int, count: int) -> ImageSet:
    """The images at `places`, with the task's labels."""
    chosen = data.images(task.dataset, split, size).subset(places(task, data, split, size, count))
    return ImageSet(chosen.images, task.labels(chosen.labels))


def train_cell(
    genotype: Genotype, task: PaperTask, data: PaperData, device: torch.device, values: Mapping[str, Any]
) -> tuple[CellDesign, dict[str, Tensor], dict[str, Any]]:
    """Train a cell in the default skeleton; its design, its weights on the CPU, and its score."""
    size = values["size"]
    train = images_of(task, data, "train", size, values["images"])
    validation = images_of(task, data, "validation", size, values["validation"])
    natural = task.dataset == CIFAR10  # photographs may be mirrored, digits may not
    counts = torch.bincount(train.labels, minlength=task.classes).tolist()
    config = final_config(DataFacts(tuple(counts), len(validation), size, natural, natural), epochs=values["epochs"])
    design = CellDesign(genotype, default_skeleton(size, task.classes))
    seed = derive_seed(SEED, "starter", task.number, genotype.digest)
    network = build_designed(design, seed=seed).to(device)
    fit(network, train.to(device), config=config, seed=seed)
    accuracy = evaluate(network, validation.to(device)).accuracy
    state = network.state_dict()
    halves = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    network.load_state_dict(halves)
    halved_accuracy = evaluate(network, validation.to(device)).accuracy
    # Half precision takes half of the file; it is used only where it costs nothing.
    is_halved = halved_accuracy >= accuracy
    return (
        design,
        {name: tensor.cpu().contiguous() for name, tensor in (halves if is_halved else state).items()},
        {
            "accuracy": halved_accuracy if is_halved else accuracy,
            "full_precision_accuracy": accuracy,
            "half_precision_accuracy": halved_accuracy,
            "standard_error": math.sqrt(accuracy * (1 - accuracy) / len(validation)),
            "epochs": config.epochs_for(len(train)),
        },
    )


def run_score(values: Mapping[str, Any], data: PaperData, device: torch.device, needed: Sequence[Row]) -> Row:
    """One cell on one task."""
    _, _, score = train_cell(Genotype(tuple(values["cell"])), TASKS["paper"][values["task"]], data, device, values)
    return {
        "accuracy": score["full_precision_accuracy"],
        **{name: score[name] for name in ("standard_error", "epochs")},
    }


def best_cells(rows: Sequence[Row]) -> tuple[Genotype, ...]:
    """The best cells by the pooled scores."""
    scores = [
        CellScore(str(row["unit"]["values"]["task"]), _cell(row), row["outcome"]["accuracy"], row["outcome"]["epochs"])
        for row in rows
    ]
    return propose(pool(scores), BEST, SEED)


def _cell(row: Row) -> Genotype:
    return Genotype(tuple(row["unit"]["values"]["cell"]))


class Finals:
    """Trains the best cells; keeps the weights of each in a file of this folder, and its name in the row."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def run(self, values: Mapping[str, Any], data: PaperData, device: torch.device, needed: Sequence[Row]) -> Row:
        """One of the best cells on one task."""
        task = TASKS["paper"][values["task"]]
        design, state, score = train_cell(best_cells(needed)[values["rank"]], task, data, device, values)
        content = save(state)
        file = self._folder / f"{hashlib.sha256(content).hexdigest()}.safetensors"
        file.write_bytes(content)
        seen = {
            split: places(task, data, split, values["size"], values[count])
            for split, count in (("train", "images"), ("validation", "validation"))
        }
        return {
            **score,
            "design": design.to_json(),
            "weights": file.name,
            "seen": data.fingerprints(task.dataset, seen).hex(),
        }

    def tensors(self, row: Row) -> dict[str, Tensor]:
        """The weights of a row."""
        return load_file(self._folder / row["outcome"]["weights"])


def plan(settings: Settings) -> list[Unit]:
    """The scores of all cells on all tasks, then the trained cells."""
    common = {"validation": settings.validation, "size": settings.size}
    scores = [
        Unit(
            "score",
            {
                "task": task.number,
                "cell": list(cell.primitives),
                "images": settings.images,
                "epochs": settings.epochs,
                **common,
            },
            3.0,
        )
        for cell in draw_cells(settings.cells)
        for task in TASKS["paper"]
    ]
    needs = tuple(unit.id for unit in scores)
    long = {"images": settings.final_images, "epochs": settings.final_epochs, **common}
    finals = [
        Unit("final", {"task": task, "rank": rank, **long}, 80.0, needs)
        for task in settings.final_tasks
        for rank in range(BEST)
    ]
    return scores + finals


def write(folder: Path, scores: Sequence[Row], finals: Sequence[Row], store: Finals, settings: Settings) -> int:
    """Write the files of the starter memory, `starter.json` last; the bytes of all.

    Raises:
        SystemExit: the weights take more than `MOST_BYTES`.
    """
    cells = list(dict.fromkeys(map(_cell, scores)))
    numbers = {cell: number for number, cell in enumerate(cells)}
    tensors = {f"{_prefix(row)}{name}": tensor for row in finals for name, tensor in store.tensors(row).items()}
    files = {
        SCORES: _json(
            {
                "cells": [cell.to_json() for cell in cells],
                "scores": [{"task": _name(row), "cell": numbers[_cell(row)], **row["outcome"]} for row in scores],
            }
        ),
        WEIGHTS: save(tensors),
        SEEN: joined_fingerprints(bytes.fromhex(row["outcome"]["seen"]) for row in finals),
    }
    if len(files[WEIGHTS]) > MOST_BYTES:
        raise SystemExit(f"the weights take {len(files[WEIGHTS])} bytes; at most {MOST_BYTES} are accepted")
    manifest = {
        "environment": finals[-1]["environment"],
        "settings": vars(settings) | {"seed": SEED},
        "data": finals[-1]["data"],
        "tasks": {_name_of(task.number): f"{task.dataset}: {task.name}" for task in TASKS["paper"]},
        "cells": [
            {"task": _name(row), "prefix": _prefix(row)}
            | {name: value for name, value in row["outcome"].items() if name not in ("weights", "seen")}
            for row in finals
        ],
        "digests": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (files | {MANIFEST: _json(manifest)}).items():
        (folder / name).write_bytes(content)
    return sum(map(len, files.values()))


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


def _name_of(number: int) -> str:
    return f"Task {number}"


def _name(row: Row) -> str:
    return _name_of(row["unit"]["values"]["task"])


def _prefix(row: Row) -> str:
    return f"{_name(row)}/{row['unit']['values']['rank']}/"


def make(settings: Settings, data: PaperData, work: Path, out: Path) -> int:
    """Run what has no row yet, and write the files; the bytes of all."""
    store, rows, units = Finals(work / "weights"), Rows(work / "rows"), plan(settings)
    run_plan(
        units,
        rows,
        data,
        torch.device("cpu"),
        runners={"score": run_score, "final": store.run},
        on_row=print_row,
    )
    scores, finals = (rows.of([unit for unit in units if unit.kind == kind]) for kind in ("score", "final"))
    return write(out, scores, finals, store, settings)


def main() -> None:
    """Make the files that `--out` names."""
    given = Settings()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.starter", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--data", type=Path, required=True, help="the folder with mnist/ and cifar10/ as Parquet")
    parser.add_argument("--out", type=Path, required=True, help="the folder that is written")
    parser.add_argument("--work", type=Path, default=Path("var/starter"), help="where the rows are kept")
    for name in ("cells", "images", "validation", "epochs", "size", "final_images", "final_epochs"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(given, name))
    parser.add_argument("--final-tasks", type=int, nargs="+", default=given.final_tasks)
    parser.add_argument("--rehearse", action="store_true", help="run every line with tiny sizes, in seconds")
    values = vars(parser.parse_args())
    data, out, work, rehearse = (values.pop(name) for name in ("data", "out", "work", "rehearse"))
    torch.set_num_threads(1)
    settings = REHEARSAL if rehearse else Settings(**{**values, "final_tasks": tuple(values["final_tasks"])})
    size = make(settings, PaperData(data), work, out)
    print(f"{out} has {size / 1e6:.2f} MB: {settings.cells} cells on {len(TASKS['paper'])} tasks")


if __name__ == "__main__":
    main()
