"""From the rows of `benchmarks/transfer.py` to how good each measure is at choosing a source."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.paper.agreement import spearman
from benchmarks.paper.tasks import TASKS
from benchmarks.paper.units import Row
from benchmarks.transfer_runs import CONTROL

SAME_DATA_SET = "same data set?"
"""The plain rule to which all measures are compared: 0 from a task of the target's data set, else 1."""

DEFAULT = "log_det_layerwise"
_RESAMPLES = 2000
_TIE = 1e-12

Array = np.ndarray
"""`[seeds, sources, targets]` or `[sources, targets]`; NaN where there is nothing, as for a gain from oneself."""


def summarise(rows: Sequence[Row], *, numbers: Sequence[int], set_aside: Sequence[int]) -> dict[str, Any]:
    """Gains of both kinds, distances, and each measure's rank correlation with the gains and its regret.

    The intervals (90 %) are over draws of seeds and of targets with replacement; of three seeds and four or two
    targets they are coarse. `random` and `random of the same data set` are the regrets of choosing without a measure.
    """
    networks = _outcomes(rows, "networks")
    if not networks:
        return {}
    names = networks[0]["outcome"]["distances"]
    measured = {name: _matrices(networks, numbers, "distances", name) for name in names}
    measured[SAME_DATA_SET] = np.broadcast_to(_same_data_set(numbers), next(iter(measured.values())).shape)
    gains = {"weights": (_seeds(networks), _weight_gains(networks, numbers)), "spaces": _space_gains(rows, numbers)}
    held = [numbers.index(number) for number in set_aside]
    groups = {"open": [place for place in range(len(numbers)) if place not in held], "set_aside": held}
    result: dict[str, Any] = {
        "tasks": {str(number): TASKS["paper"][number].name for number in numbers},
        "distances": {name: _mean_and_std(of_seeds) for name, of_seeds in measured.items()},
    }
    for kind, (seeds, gain) in gains.items():
        if seeds == _seeds(networks):  # the same seeds, so that a draw of seeds is one of both
            judged = {
                group: judge(measured, gain, targets, _same_data_set(numbers)) for group, targets in groups.items()
            }
            result[kind] = {
                "gain": _mean_and_std(gain),
                **judged,
                "better": better(judged["open"], judged["set_aside"]),
            }
    return result


def judge(
    measured: Mapping[str, Array], gain: Array, targets: Sequence[int], same_data_set: Array
) -> dict[str, dict[str, Any]]:
    """Each measure on some targets: mean Spearman's ρ and mean regret, with intervals, and regret less the default's.

    Args:
        measured: `[seeds, sources, targets]` of each measure; smaller is closer.
        gain: `[seeds, sources, targets]`, of balanced accuracy.
        targets: which columns count.
        same_data_set: `[sources, targets]`, 0 where both tasks are of one data set.
    """
    draws = _draws(len(gain), targets)
    scores = {
        name: [score(of_seeds, gain, seeds, columns) for seeds, columns in draws] for name, of_seeds in measured.items()
    }
    baseline = np.array([regret for _, regret in scores.get(DEFAULT, [])])
    judged: dict[str, dict[str, Any]] = {}
    for name, found in scores.items():
        rho, regret = np.array(found).T
        judged[name] = {"spearman": _with_interval(rho), "regret": _with_interval(regret)}
        if len(baseline) and name != DEFAULT:
            judged[name]["regret_beside_default"] = _with_interval(regret - baseline)
    judged["random"] = {"regret": _with_interval(np.array([_by_chance(gain, *draw, None) for draw in draws]))}
    near = np.array([_by_chance(gain, *draw, same_data_set) for draw in draws])
    judged["random of the same data set"] = {"regret": _with_interval(near)}
    return judged


def score(distances: Array, gain: Array, seeds: Sequence[int], targets: Sequence[int]) -> tuple[float, float]:
    """Mean over targets of Spearman's ρ between −distance and gain, and of the regret; of means over the seeds.

    Sources that are equally close share the choice: their gains are averaged.
    """
    rhos, regrets = [], []
    for target in targets:
        near, worth = distances[seeds][:, :, target].mean(axis=0), gain[seeds][:, :, target].mean(axis=0)
        there = np.isfinite(worth)
        near, worth = near[there], worth[there]
        rho = spearman((-near).tolist(), worth.tolist())
        rhos.append(0.0 if rho is None else rho)
        chosen = near <= near.min() + _TIE
        regrets.append(float(worth.max() - worth[chosen].mean()))
    return float(np.mean(rhos)), float(np.mean(regrets))


def better(open_targets: Mapping[str, Any], set_aside: Mapping[str, Any]) -> list[str]:
    """The measures that lose less than the default: surely on the open targets, and on those set aside too."""
    return [
        name
        for name, found in open_targets.items()
        if "regret_beside_default" in found
        and found["regret_beside_default"]["interval"][1] < 0
        and set_aside[name]["regret_beside_default"]["mean"] < 0
    ]


def _draws(seeds: int, targets: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """All seeds and targets first, then draws of both with replacement; the same for every measure."""
    rng = np.random.default_rng(0)
    drawn = [
        (rng.integers(seeds, size=seeds).tolist(), rng.choice(targets, size=len(targets)).tolist())
        for _ in range(_RESAMPLES)
    ]
    return [([*range(seeds)], [*targets]), *drawn]


def _with_interval(values: Array) -> dict[str, Any]:
    """The first value, of all seeds and targets, with the 90 % range of the draws."""
    return {"mean": float(values[0]), "interval": [float(edge) for edge in np.quantile(values[1:], [0.05, 0.95])]}


def _by_chance(gain: Array, seeds: Sequence[int], targets: Sequence[int], same_data_set: Array | None) -> float:
    """The mean regret of a source drawn at random, of those of the same data set where that is given."""
    regrets = []
    for target in targets:
        worth = gain[seeds][:, :, target].mean(axis=0)
        allowed = np.isfinite(worth) if same_data_set is None else np.isfinite(worth) & (same_data_set[:, target] == 0)
        regrets.append(float(np.nanmax(worth) - worth[allowed].mean()))
    return float(np.mean(regrets))


def _same_data_set(numbers: Sequence[int]) -> Array:
    sets = [TASKS["paper"][number].dataset for number in numbers]
    return np.array([[float(source != target) for target in sets] for source in sets])


def _outcomes(rows: Sequence[Row], kind: str) -> list[Row]:
    """The units of a kind, in the order of their seeds."""
    return sorted((row for row in rows if row["unit"]["kind"] == kind), key=lambda row: row["unit"]["values"]["seed"])


def _matrices(rows: Sequence[Row], numbers: Sequence[int], *path: str) -> Array:
    """`[seeds, sources, targets]` of what lies under a path of the outcomes by source and target."""
    found = []
    for row in rows:
        table = row["outcome"]
        for name in path:
            table = table[name]
        found.append([[table[str(b)].get(str(t), np.nan) for t in numbers] for b in numbers])
    return np.array(found, dtype=np.float64)


def _weight_gains(rows: Sequence[Row], numbers: Sequence[int]) -> Array:
    control = [[row["outcome"]["accuracy"][CONTROL][str(target)] for target in numbers] for row in rows]
    return _matrices(rows, numbers, "accuracy") - np.array(control, dtype=np.float64).reshape(-1, 1, len(numbers))


def _seeds(rows: Sequence[Row]) -> list[int]:
    return [row["unit"]["values"]["seed"] for row in rows]


def _space_gains(rows: Sequence[Row], numbers: Sequence[int]) -> tuple[list[int], Array]:
    """The seeds of which every target is there, and their gains."""
    by_seed: dict[int, dict[int, Mapping[str, float]]] = {}
    for row in _outcomes(rows, "spaces"):
        values = row["unit"]["values"]
        by_seed.setdefault(values["seed"], {})[values["task"]] = row["outcome"]["accuracy"]
    whole = {seed: found for seed, found in sorted(by_seed.items()) if len(found) == len(numbers)}
    gains = [[[_gain(found[t], b) for t in numbers] for b in numbers] for found in whole.values()]
    return list(whole), np.array(gains, dtype=np.float64).reshape(-1, len(numbers), len(numbers))


def _gain(accuracy: Mapping[str, float], source: int) -> float:
    return accuracy.get(str(source), np.nan) - accuracy[CONTROL]


def _mean_and_std(of_seeds: Array) -> dict[str, Any]:
    """Mean and standard deviation over seeds, `[source][target]`; None where there is nothing."""
    mean = of_seeds.mean(axis=0)
    std = of_seeds.std(axis=0, ddof=1) if len(of_seeds) > 1 else np.zeros_like(mean)
    return {
        name: [[float(value) if np.isfinite(value) else None for value in row] for row in table]
        for name, table in (("mean", mean), ("std", std))
    }
