"""Which zero-cost score, if any, is worth its seconds in choosing the cells that FUSE weighs.

    python -m benchmarks.fuse --data ../data --work work     # trains the cells, an hour on one slow core
    python -m benchmarks.screen --data ../data --work work   # reads them

For each score: how it ranks cells against their loss when trained alone (`fuse_cells.py`; Spearman, 1 is perfect), and
what FUSE finds among the three best of twelve cells drawn at random, against what it finds without a screening in the
same CPU seconds: three cells drawn at random, and as many more as train in the seconds that the scores took.
"""

import argparse
import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from scipy.stats import spearmanr
from zero_cost import ZeroCostScore, zero_cost_scores

from benchmarks.environment import save
from benchmarks.fuse import bootstrap, truths
from benchmarks.fuse_cells import CELLS, DATASETS, SEARCH_SEEDS, SET_SIZE, Bench, cells, train_all
from benchmarks.fuse_replay import weigh
from ldnas.search.fuse_race import FuseVariant
from ldnas.seeding import derive_seed
from ldnas.space.complexity import parameters

POOL = 12
DRAWS = 100
SCORE_SEEDS = 3


def scores(bench: Bench) -> dict[str, dict[str, Any]]:
    """Every score of every cell, by one seed after the other, and the CPU seconds that one cell took."""
    genotypes = cells()[: CELLS[bench.dataset]]
    found: dict[str, dict[str, Any]] = {
        "parameters": {
            "values": [[parameters(cell, bench.problem.skeleton) for cell in genotypes]] * SCORE_SEEDS,
            "seconds": 0.0,
        }
    }
    for score in ZeroCostScore:
        began = time.process_time()
        values = [zero_cost_scores(genotypes, bench.problem, score, seed) for seed in range(SCORE_SEEDS)]
        seconds = (time.process_time() - began) / SCORE_SEEDS / len(genotypes)
        found[str(score)] = {"values": [list(one) for one in values], "seconds": seconds}
    return found


def judge(bench: Bench, truth: Sequence[float], found: dict[str, Any]) -> dict[str, Any]:
    """One score on one data set."""
    with_screen, without = [], []
    rng = random.Random(derive_seed(0, "screen", bench.dataset))
    for draw in range(DRAWS):
        # The pool is in a random order, so its first cells are a draw without a screening.
        pool, seed = rng.sample(range(len(truth)), POOL), draw % SEARCH_SEEDS
        values = found["values"][draw % SCORE_SEEDS]
        screened = sorted(pool, key=lambda cell: -values[cell])[:SET_SIZE]
        with_screen.append(truth[search(bench, screened, seed)[0]])
        without.append(truth[search_within(bench, pool, screened, seed, POOL * found["seconds"])])
    gains = [one - other for one, other in zip(without, with_screen, strict=True)]
    return {
        "spearman": statistics.fmean(
            spearmanr(values, [-loss for loss in truth]).statistic for values in found["values"]
        ),
        "seconds_per_cell": found["seconds"],
        "loss_with": statistics.fmean(with_screen),
        "loss_without_at_equal_seconds": statistics.fmean(without),
        "gain": bootstrap(gains, statistics.fmean),
    }


def search(bench: Bench, members: Sequence[int], seed: int) -> tuple[int, float]:
    """Whom FUSE's default takes from these cells, and the CPU seconds."""
    choice = weigh(bench, members, seed, FuseVariant.EXPECTED, drop_lost=True)
    return choice.cell, choice.seconds


def search_within(bench: Bench, pool: Sequence[int], screened: Sequence[int], seed: int, spare: float) -> int:
    """Without a screening: the first cells of the pool, as many as train in the seconds of the screened search."""
    allowed = search(bench, screened, seed)[1] + spare
    count = SET_SIZE
    while count < len(pool) and search(bench, pool[: count + 1], seed)[1] <= allowed:
        count += 1
    return search(bench, pool[:count], seed)[0]


def table(found: dict[str, dict[str, Any]]) -> str:
    """The results in Markdown."""
    lines = [
        "| data | score | Spearman | CPU s a cell | loss with | without, equal seconds | gain (95 %) |",
        "|" + "---|" * 7,
    ]
    for dataset, by_score in found.items():
        for score, row in by_score.items():
            gain = row["gain"]
            lines.append(
                f"| {dataset} | {score} | {row['spearman']:.2f} | {row['seconds_per_cell']:.3f} | "
                f"{row['loss_with']:.4f} | {row['loss_without_at_equal_seconds']:.4f} | "
                f"{gain['value']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f}) |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder with cifar10/ as Parquet")
    parser.add_argument("--work", type=Path, required=True, help="the work folder of fuse.py")
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, default=DATASETS, help="fewer: nothing is saved")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, dict[str, Any]] = {}
    kept: dict[str, Any] = {}
    for dataset in arguments.datasets:
        bench = Bench.of(dataset, arguments.data, arguments.work)
        train_all(bench)
        truth, kept[dataset] = truths(bench), scores(bench)
        found[dataset] = {name: judge(bench, truth, values) for name, values in kept[dataset].items()}
        kept[dataset]["truth"] = truth
    print(table(found))
    if set(arguments.datasets) == set(DATASETS):
        print(save("screen", {"pool": POOL, "draws": DRAWS, "kept": SET_SIZE, "results": found, "cells": kept}))


if __name__ == "__main__":
    main()
