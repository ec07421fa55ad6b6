"""How fast FUSE is, and whether it chooses well.

    python -m benchmarks.fuse --data ../data --work work          # an hour on one slow core; resumed where it stopped
    python -m benchmarks.fuse --data ../data --work work --quick  # the first sets, once each, nothing saved

Speed: CPU seconds of one iteration against a plain implementation of the authors' loop (`fuse_speed.py`), turn by turn
in one run. Promised on the CPU: 1.3 times with the same epochs and the same argmax, 2 times where lost candidates are
dropped, an α phase 8 times as fast as one that runs the networks.

Choice: sets of three random cells on digits (8×8) and a part of CIFAR-10 (16×16). The truth about a cell is its loss on
validation images that no search saw, mean of three trainings by itself. Regret is that of the chosen cell less the
least of the set; as a share of what choosing at random regrets, 0 is perfect and 1 is chance. No test image is read.
"""

import argparse
import json
import random
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.environment import save
from benchmarks.fuse_cells import ALONE_SEEDS, CELLS, DATASETS, SEARCH_SEEDS, Bench, candidate_sets, cells, train_all
from benchmarks.fuse_replay import Choice, halve, weigh, within
from benchmarks.fuse_speed import alpha_phase, speeds
from ldnas.search.fuse_race import FuseVariant
from ldnas.seeding import derive_seed

REPLAYED = 100
"""Random sets, in addition to those of the table, on which dropping is compared with not dropping."""


def truths(bench: Bench) -> list[float]:
    """Each cell's loss when trained alone, in nats per image."""
    return [
        statistics.fmean(bench.alone(cell, seed)["loss"] for seed in range(ALONE_SEEDS))
        for cell in range(CELLS[bench.dataset])
    ]


def judge(bench: Bench, truth: Sequence[float], members: tuple[int, ...]) -> dict[str, Any]:
    """The choice of every way from one set."""
    relaxed = bench.relaxed(members, 0)
    place = max(range(len(members)), key=lambda position: relaxed["alpha"][position])
    by_loss = min(range(len(members)), key=lambda position: relaxed["losses"][position])
    choices = {
        "relaxed": Choice(members[place], relaxed["seconds"], 9),
        "relaxed, lowest own loss": Choice(members[by_loss], relaxed["seconds"], 9),
    }
    for variant in (FuseVariant.INDEPENDENT, FuseVariant.EXPECTED):
        choices[str(variant)] = weigh(bench, members, 0, variant)
        choices[f"{variant}, drop_lost"] = weigh(bench, members, 0, variant, drop_lost=True)
    others = [cell for cell in range(len(truth)) if cell not in members]
    random.Random(derive_seed(0, "others", *members)).shuffle(others)
    choices["halving, same candidates"] = halve(bench, members, 0)
    seconds = choices["expected"].seconds
    choices["halving, more candidates in the seconds of expected"] = within(
        lambda cells_: halve(bench, cells_, 0), members, others, seconds
    )
    choices["expected, drop_lost, more candidates in the same seconds"] = within(
        lambda cells_: weigh(bench, cells_, 0, FuseVariant.EXPECTED, drop_lost=True), members, others, seconds
    )
    return {
        "dataset": bench.dataset,
        "members": list(members),
        "truth": [truth[cell] for cell in members],
        "chosen": {name: vars(choice) | {"loss": truth[choice.cell]} for name, choice in choices.items()},
    }


def judge_incumbent(bench: Bench, truth: Sequence[float], members: tuple[int, ...]) -> dict[str, Any]:
    """A second iteration with two new cells: an incumbent that starts fresh, and one that keeps its weights."""
    others = [cell for cell in range(len(truth)) if cell not in members]
    new = random.Random(derive_seed(0, "incumbent", *members)).sample(others, 2)
    row: dict[str, Any] = {"dataset": bench.dataset, "truth": [truth[cell] for cell in (*members, *new)], "chosen": {}}
    for variant in (FuseVariant.INDEPENDENT, FuseVariant.EXPECTED):
        first = weigh(bench, members, 0, variant)
        for name, before in (("fresh", {}), ("keep_incumbent", {first.cell: 3})):
            second = weigh(bench, (first.cell, *new), 0, variant, before=before)
            row["chosen"][f"{variant}, {name}"] = {"loss": truth[second.cell], "stays": second.cell == first.cell}
    return row


def dropping(bench: Bench) -> dict[str, Any]:
    """On many random sets: how often dropping leaves the winner as it is, and the share of seconds it takes."""
    rng = random.Random(derive_seed(0, "dropping", bench.dataset))
    found: dict[str, Any] = {}
    for variant in (FuseVariant.INDEPENDENT, FuseVariant.EXPECTED):
        same, shares = [], []
        for number in range(REPLAYED):
            members = rng.sample(range(CELLS[bench.dataset]), 3)
            seed = number % SEARCH_SEEDS
            full, cut = weigh(bench, members, seed, variant), weigh(bench, members, seed, variant, drop_lost=True)
            same.append(full.cell == cut.cell)
            shares.append(cut.seconds / full.seconds)
        found[str(variant)] = {
            "sets": REPLAYED,
            "same_winner": statistics.fmean(same),
            "share_of_seconds": statistics.fmean(shares),
        }
    return found


def timings(bench: Bench, repetitions: int, file: Path | None) -> dict[str, Any]:
    """The α phase and whole iterations, measured now unless the file has them."""
    if file is not None and file.exists():
        return dict(json.loads(file.read_text()))
    sets = [[cells()[cell] for cell in members] for members in candidate_sets(bench.dataset)[:1]]
    found = {
        "alpha_phase": alpha_phase(bench.problem, sets[0], steps=20, repetitions=repetitions),
        "speed": speeds(bench.problem, sets, repetitions=repetitions),
    }
    if file is not None:
        file.write_text(json.dumps(found))
    return found


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Per data set and over both: regret in nats and as a share of chance's, with bootstrap intervals over the sets."""
    found: dict[str, Any] = {}
    for dataset in (*dict.fromkeys(row["dataset"] for row in rows), "all"):
        ours = [row for row in rows if dataset in (row["dataset"], "all")]
        found[dataset] = {"sets": len(ours), "best": _mean(ours, lambda row: min(row["truth"]))}
        found[dataset]["mean"] = _mean(ours, lambda row: statistics.fmean(row["truth"]))
        for name in rows[0]["chosen"]:
            entry: dict[str, Any] = {"loss": _mean(ours, lambda row, name=name: row["chosen"][name]["loss"])}
            entry["regret"] = bootstrap(ours, lambda some, name=name: _regret(some, name))
            entry["share_of_chance"] = bootstrap(ours, lambda some, name=name: _share(some, name))
            if "seconds" in rows[0]["chosen"][name]:
                entry["seconds"] = _mean(ours, lambda row, name=name: row["chosen"][name]["seconds"])
            found[dataset][name] = entry
    return found


def bootstrap(rows: Sequence[Any], value: Callable[[Sequence[Any]], float], draws: int = 2000) -> dict[str, float]:
    """The value over all rows, and the middle 95 % of its values over rows drawn with replacement."""
    rng = random.Random(0)
    drawn = sorted(value(rng.choices(rows, k=len(rows))) for _ in range(draws))
    return {"value": value(rows), "low": drawn[int(0.025 * draws)], "high": drawn[int(0.975 * draws)]}


def _mean(rows: Sequence[dict[str, Any]], value: Callable[[dict[str, Any]], float]) -> float:
    return statistics.fmean(value(row) for row in rows)


def _regret(rows: Sequence[dict[str, Any]], name: str) -> float:
    return _mean(rows, lambda row: row["chosen"][name]["loss"] - min(row["truth"]))


def _share(rows: Sequence[dict[str, Any]], name: str) -> float:
    """Mean over the data sets, whose losses differ in size, of the regret over that of choosing at random."""
    shares = []
    for dataset in {row["dataset"] for row in rows}:
        ours = [row for row in rows if row["dataset"] == dataset]
        chance = _mean(ours, lambda row: statistics.fmean(row["truth"]) - min(row["truth"]))
        shares.append(_regret(ours, name) / chance)
    return statistics.fmean(shares)


def table(found: dict[str, Any]) -> str:
    """The summary in Markdown."""
    datasets = [name for name in found if name != "all"]
    lines = [
        f"| way | {' | '.join(f'{name}: loss' for name in datasets)} | regret, share of chance (95 %) |",
        "|" + "---|" * (len(datasets) + 2),
    ]
    for name in ("best", "mean"):
        cells_ = [f"{found[dataset][name]:.4f}" for dataset in datasets]
        lines.append(f"| {name} of the set | {' | '.join(cells_)} | {0 if name == 'best' else 1} |")
    for name, entry in found["all"].items():
        if isinstance(entry, dict):
            share = entry["share_of_chance"]
            losses = [f"{found[dataset][name]['loss']:.4f}" for dataset in datasets]
            interval = f"{share['value']:.2f} ({share['low']:.2f} to {share['high']:.2f})"
            lines.append(f"| {name} | {' | '.join(losses)} | {interval} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder with cifar10/ as Parquet")
    parser.add_argument("--work", type=Path, required=True, help="the folder that stores the trained cells")
    parser.add_argument("--repetitions", type=int, default=7, help="rounds of the timings")
    parser.add_argument("--quick", action="store_true", help="few sets and one round, to try it out; nothing is saved")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows, incumbents, dropped = [], [], {}
    for dataset in DATASETS:
        bench = Bench.of(dataset, arguments.data, arguments.work)
        if not arguments.quick:
            train_all(bench)
        truth = truths(bench)
        sets = candidate_sets(dataset)[: 2 if arguments.quick else None]
        rows += [judge(bench, truth, members) for members in sets]
        incumbents += [judge_incumbent(bench, truth, members) for members in sets]
        dropped[dataset] = dropping(bench)
    print(table(summary(rows)), table(summary(incumbents)), json.dumps(dropped), sep="\n\n")
    repetitions = 1 if arguments.quick else arguments.repetitions
    result = {
        "choice": summary(rows),
        "incumbent": summary(incumbents),
        "dropping": dropped,
        **timings(bench, repetitions, None if arguments.quick else arguments.work / "speed.json"),
        "sets": rows,
        "incumbent_sets": incumbents,
    }
    if not arguments.quick:
        print(save("fuse", result))


if __name__ == "__main__":
    main()
