"""Is the distance useful? The gain from each source's weights and from its space, compared with every measure.

    python -m benchmarks.transfer --data ../data --work var/bench/transfer

Six of the paper's tasks are sources and targets of one another, with three seeds. A *gain* is balanced test accuracy
less that of a control of the same budget: for weights, a short training on few images of the target that starts from
the source's network, against fresh weights; for spaces, a FUSE search in the space of the source's genotype with its
final training, against the full space. Two figures judge a measure: Spearman's ρ between its ranking of a target's
sources and their gains, and the regret, which is the gain lost by taking the source that it calls closest.

Fixed before looking: tasks 3 and 6, those of the paper's tables, are set aside as targets. A measure is called better
than `log_det_layerwise` where its regret on the other targets is smaller with a 90 % interval below 0, and where it is
smaller on the two that were set aside as well. Units leave rows and a run that was stopped resumes, as in `make paper`.
"""

import argparse
from pathlib import Path
from typing import Any

import torch

from benchmarks.environment import save
from benchmarks.paper.data import PaperData
from benchmarks.paper.machine import device_of
from benchmarks.paper.result import RE_ENCODING, provenance
from benchmarks.paper.running import companions, print_row, run_plan
from benchmarks.paper.scales import SCALES
from benchmarks.paper.searching import run_genotype
from benchmarks.paper.units import Rows, Unit
from benchmarks.transfer_runs import run_networks, run_spaces
from benchmarks.transfer_summary import summarise

NUMBERS = (0, 2, 3, 4, 6, 7)
SET_ASIDE = (3, 6)
SEEDS = 3
SUBSET_SEED = 0
RUNNERS = {"networks": run_networks, "genotype": run_genotype, "spaces": run_spaces}


def plan() -> list[Unit]:
    """The networks of each seed, then the genotypes, then the searches of each target and seed."""
    networks = [Unit("networks", _network_values(seed), 330.0) for seed in range(SEEDS)]
    genotypes = [Unit("genotype", _genotype_values(task), 25.0) for task in NUMBERS]
    needs = tuple(unit.id for unit in genotypes)
    spaces = [Unit("spaces", _space_values(task, seed), 120.0, needs) for seed in range(SEEDS) for task in NUMBERS]
    return [*networks, *genotypes, *spaces]


def _network_values(seed: int) -> dict[str, Any]:
    small = SCALES["small"]
    recipes = {
        mode: small.recipe(mode).to_json() | {"split": "train"} for mode in ("default", "paper", "released_code")
    }
    return {
        "group": "networks",
        "tasks": list(NUMBERS),
        "seed": seed,
        "network": small.network,
        "train_images": small.train_images,
        "fitting": {"epochs": small.epochs},
        "recipes": recipes,
        "distance_images": max(small.samples, small.probe_images),
        "few_images": 500,
        "few_steps": 60,
        "test_images": 2000,
        "subset_seed": SUBSET_SEED,
    }


def _search_values(task: int, seed: int) -> dict[str, Any]:
    return {
        "task": task,
        "seed": seed,
        "skeleton": SCALES["small"].skeleton,
        "max_parameters": None,
        "train_images": 1000,
        "validation_images": 500,
        "subset_seed": SUBSET_SEED,
    }


def _genotype_values(task: int) -> dict[str, Any]:
    return _search_values(task, 0) | {"group": "genotype", "search_seconds": 20.0}


def _space_values(task: int, seed: int) -> dict[str, Any]:
    own = {"group": "spaces", "search_seconds": 10.0, "final_epochs": 12, "test_images": 2000}
    return _search_values(task, seed) | own


def main() -> None:
    arguments = _arguments()
    units, rows = plan(), Rows(arguments.work / "rows")
    device = device_of(arguments.device)
    torch.set_num_threads(1)
    with companions("benchmarks.transfer", 0 if arguments.part else arguments.processes - 1):
        run_plan(units, rows, PaperData(arguments.data), device, runners=RUNNERS, on_row=print_row)
    if arguments.part:
        return
    finished = rows.of(units)
    result = {
        "units": len(units),
        "finished": len(finished),
        "set_aside": list(SET_ASIDE),
        **summarise(finished, numbers=NUMBERS, set_aside=SET_ASIDE),
        "seconds": sum(row["seconds"] for row in finished),
        "note": RE_ENCODING,
        **provenance(finished),
        "rows": [{name: row[name] for name in ("unit", "outcome", "seconds", "cpu_seconds")} for row in finished],
    }
    print(save("transfer", result))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.transfer", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--data", type=Path, required=True, help="the folder with mnist/ and cifar10/ as Parquet")
    parser.add_argument("--work", type=Path, required=True, help="where the rows are kept")
    parser.add_argument("--processes", type=int, default=1, help="how many units run at a time")
    parser.add_argument("--device", help="cpu or cuda; the accelerator where there is one")
    parser.add_argument("--part", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
