"""Cells trained alone and as FUSE's candidates: what `fuse.py` and `screen.py` read, as in a tabular benchmark.

Where candidates descend their own losses, the training of one does not depend on which others are trained with it. So
each cell is trained once per seed, its validation logits after every epoch are stored, and any set of cells can be
weighed, cut or screened from them as often as wanted. The joint loss of the paper needs each set trained by itself.
Everything is stored in a work folder, one row of a JSON lines file or one file a network, and a run that was stopped
resumes from there.
"""

import functools
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmarks.pools import load_images, shuffled
from ldnas.data.load import load_dataset
from ldnas.data.preprocessing import Preprocessing
from ldnas.data.reference import DatasetReference
from ldnas.data.task_data import ImageSet, task_data
from ldnas.search.base import SearchProblem
from ldnas.search.candidates import fresh_candidates, own_losses, train_epoch, validation_logits
from ldnas.search.fuse_race import relaxed_loss, step_alpha
from ldnas.seeding import derive_seed
from ldnas.space.genotype import Genotype
from ldnas.space.network import build_cell_network
from ldnas.space.skeleton import default_skeleton
from ldnas.space.space import FULL_SPACE
from ldnas.training.train import TrainConfig, evaluate, fit

DATASETS = ("digits", "cifar10")
IMAGE_SIZES = {"digits": 8, "cifar10": 16}
TRAIN, SEARCHED, JUDGED = 640, 320, 560
"""Images to train on, to search with (validation, half A) and to measure the truth on (half B)."""
CELLS = {"digits": 40, "cifar10": 24}
SETS = {"digits": 20, "cifar10": 16}
"""How many cells are trained on a data set, and how many sets of them are weighed."""
ALONE_SEEDS, ALONE_EPOCHS = 3, 8
SEARCH_SEEDS, SEARCH_EPOCHS = 2, 6
SET_SIZE = 3
RATE, BATCH, ROUNDS, ALPHA_STEPS, ALPHA_RATE = 3e-3, 64, 3, 20, 0.1
"""FuseConfig's defaults at the time: learning rate, batch size, rounds of one epoch, steps of α and their rate."""


@dataclass(frozen=True, eq=False)
class Bench:
    """One data set's images and the folder that stores the results of training on them."""

    dataset: str
    problem: SearchProblem
    judged: ImageSet
    folder: Path

    @classmethod
    def of(cls, dataset: str, data: Path | None, work: Path) -> "Bench":
        folder = work / dataset
        images = _kept_images(dataset, data, folder)
        order = shuffled(len(images), seed=1).split((TRAIN, SEARCHED, JUDGED, len(images) - TRAIN - SEARCHED - JUDGED))
        train, searched, judged = (images.subset(part) for part in order[:3])
        skeleton = default_skeleton(IMAGE_SIZES[dataset], 10)
        return cls(dataset, SearchProblem(train, searched, FULL_SPACE, skeleton), judged, folder)

    def alone(self, cell: int, seed: int) -> dict[str, Any]:
        """Loss and accuracy on the judged images of a cell that was trained by itself."""

        def train() -> dict[str, Any]:
            own_seed = derive_seed(seed, "alone", cell)
            network = build_cell_network(cells()[cell], self.problem.skeleton, seed=own_seed)
            began = time.process_time()
            config = TrainConfig(epochs=ALONE_EPOCHS, batch_size=BATCH, learning_rate=RATE)
            fit(network, self.problem.train, config=config, seed=own_seed)
            seconds = time.process_time() - began
            found = evaluate(network, self.judged)
            return {"loss": found.loss, "accuracy": found.accuracy, "seconds": seconds}

        return self._row("alone", f"{cell}-{seed}", train)

    def trajectory(self, cell: int, seed: int) -> tuple[Tensor, list[float]]:
        """Validation logits [E, N, K] after each epoch down the cell's own loss, and each epoch's CPU seconds."""
        file = self.folder / f"trajectory-{cell}-{seed}.safetensors"
        if not file.exists():
            candidates = fresh_candidates(
                (cells()[cell],), self.problem, learning_rate=RATE, seed=derive_seed(seed, "candidate", cell)
            )
            logits, seconds = [], []
            for epoch in range(SEARCH_EPOCHS):
                began = time.process_time()
                order = derive_seed(seed, "epoch", epoch)
                train_epoch(candidates, self.problem, own_losses, batch_size=BATCH, seed=order)
                logits.append(validation_logits(candidates, self.problem)[0])
                seconds.append(time.process_time() - began)
            unfinished = file.with_suffix(".unfinished")
            save_file({"logits": torch.stack(logits), "seconds": torch.tensor(seconds)}, unfinished)
            unfinished.rename(file)
        return _kept_trajectory(file)

    def relaxed(self, members: tuple[int, ...], seed: int) -> dict[str, Any]:
        """A set weighed under the joint loss: α, each candidate's own validation loss, CPU seconds."""

        def search() -> dict[str, Any]:
            candidates = fresh_candidates(
                [cells()[cell] for cell in members], self.problem, learning_rate=RATE, seed=derive_seed(seed, *members)
            )
            alpha = torch.zeros(len(members), requires_grad=True)
            optimizer = torch.optim.Adam([alpha], lr=ALPHA_RATE)
            labels = self.problem.validation.labels
            began = time.process_time()
            for number in range(ROUNDS):
                frozen = alpha.detach().softmax(dim=0)
                train_epoch(
                    candidates,
                    self.problem,
                    lambda logits, labels, frozen=frozen: relaxed_loss(frozen, logits, labels),
                    batch_size=BATCH,
                    seed=derive_seed(seed, "epoch", number),
                )
                logits = validation_logits(candidates, self.problem)
                step_alpha(alpha, optimizer, logits, labels, steps=ALPHA_STEPS)
            seconds = time.process_time() - began
            losses = [float(torch.nn.functional.cross_entropy(own, labels)) for own in logits]
            return {"alpha": alpha.tolist(), "losses": losses, "seconds": seconds}

        return self._row("relaxed", f"{'-'.join(map(str, members))}-{seed}", search)

    def _row(self, kind: str, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        file = self.folder / f"{kind}.jsonl"
        rows = file.read_text().splitlines() if file.exists() else []
        for row in map(json.loads, rows):
            if row["name"] == name:
                return dict(row)
        row = {"name": name, **make()}
        with file.open("a") as lines:
            lines.write(json.dumps(row) + "\n")
        return row


def cells() -> tuple[Genotype, ...]:
    """The cells of the experiment; a data set takes the first of them."""
    return FULL_SPACE.sample_distinct(random.Random(derive_seed(0, "fuse", "cells")), max(CELLS.values()))


def candidate_sets(dataset: str) -> list[tuple[int, ...]]:
    """The sets that are weighed: positions in `cells()`, each set drawn by itself."""
    rng = random.Random(derive_seed(0, "fuse", "sets"))
    return [tuple(rng.sample(range(CELLS[dataset]), SET_SIZE)) for _ in range(SETS[dataset])]


def train_all(bench: Bench) -> None:
    """Trains everything that the other functions read; results that are stored already are not trained again."""
    count = CELLS[bench.dataset]
    for cell in range(count):
        for seed in range(SEARCH_SEEDS):
            bench.trajectory(cell, seed)
        for seed in range(ALONE_SEEDS):
            bench.alone(cell, seed)
        print(f"{bench.dataset}: cell {cell + 1} of {count}", flush=True)
    for members in candidate_sets(bench.dataset):
        bench.relaxed(members, 0)


@functools.cache
def _kept_trajectory(file: Path) -> tuple[Tensor, list[float]]:
    kept = load_file(file)
    return kept["logits"], kept["seconds"].tolist()


def _kept_images(dataset: str, data: Path | None, folder: Path) -> ImageSet:
    """Images of the training and validation parts, never of the test part; a copy lies in the work folder."""
    file = folder / "images.safetensors"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        size = IMAGE_SIZES[dataset]
        if dataset == "digits":
            raw = load_dataset(DatasetReference.from_json({"uri": "builtin://digits"}), roots=[], cache=folder)
            task = task_data(raw, None, Preprocessing(size))
            parts = (task.train, task.validation)
        else:
            if data is None:
                raise SystemExit(f"--data names the folder with {dataset}/ as Parquet")
            everything = load_images(data, dataset, image_size=size)
            parts = (everything.subset(shuffled(len(everything), seed=0)[: TRAIN + SEARCHED + JUDGED]),)
        pixels, labels = (torch.cat([getattr(part, name) for part in parts]) for name in ("images", "labels"))
        save_file({"images": pixels.contiguous(), "labels": labels}, file)
    kept = load_file(file)
    return ImageSet(kept["images"], kept["labels"])
