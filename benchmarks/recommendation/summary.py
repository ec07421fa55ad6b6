"""Accuracy by target and way with intervals over seeds, paired differences from ours, and our regret."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.paper.units import Row
from benchmarks.strategies import interval

OURS = "ours"
VARIANT = f"{OURS}, "
"""How the names of ways begin that vary our own, so that a user could not take them in place of it."""

Accuracies = Mapping[str, Mapping[int, float]]
"""By way and seed."""


def summarise(rows: Sequence[Row]) -> dict[str, Any]:
    """By group and target: each way's mean, and our gain over it, with 90 % intervals over seeds.

    `regret`: the best other way's mean less ours, over the seeds that all ways have; negative where ours is best.
    """
    by_target: dict[str, dict[str, dict[int, float]]] = {}
    for row in rows:
        values = row["unit"]["values"]
        name = f"{values['target']}, {values['ways']}, {values['seconds']:g} s"
        by_way = by_target.setdefault(name, {})
        by_way.setdefault(_name(values), {})[values["seed"]] = row["outcome"]["accuracy"]
    return {name: _target(ways) for name, ways in by_target.items() if OURS in ways}


def _target(ways: Accuracies) -> dict[str, Any]:
    shared = set.intersection(*(set(own) for own in ways.values()))
    others = [statistics.fmean(own[seed] for seed in shared) for way, own in ways.items() if _is_rival(way)]
    regret = max(others) - statistics.fmean(ways[OURS][seed] for seed in shared) if shared and others else None
    return {"ways": {way: _way(own, ways[OURS]) for way, own in ways.items()}, "regret": regret}


def _name(values: Mapping[str, Any]) -> str:
    return f"{VARIANT}{values['known']} known" if "known" in values else values["way"]


def _is_rival(way: str) -> bool:
    return way != OURS and not way.startswith(VARIANT)


def _way(own: Mapping[int, float], ours: Mapping[int, float]) -> dict[str, Any]:
    gains = [ours[seed] - own[seed] for seed in sorted(own.keys() & ours.keys())]
    return {
        "seeds": len(own),
        "accuracy": statistics.fmean(own.values()),
        "interval": interval([*own.values()]) if len(own) > 1 else None,
        "gain_of_ours": statistics.fmean(gains) if gains else None,
        "gain_interval": interval(gains) if len(gains) > 1 else None,
    }
