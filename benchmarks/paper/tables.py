"""Tables 1 and 2 and the anytime curves out of the rows, the paper's figures next to ours."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.paper.agreement import ranks
from benchmarks.paper.units import Row

COLUMNS = ("test accuracy %", "parameters, millions", "search, device seconds", "training, device seconds")
_TABLES = {
    "table_1_mnist_task_3": (3, True, "table_1_mnist_task_3"),
    "table_2_cifar10_task_6": (6, True, "table_2_cifar10_task_6"),
    "table_2_cifar10_task_6_unbalanced": (6, False, "table_2_cifar10_task_6"),
}
_T95 = {1: 6.314, 2: 2.920, 3: 2.353, 4: 2.132, 5: 2.015, 6: 1.943, 7: 1.895, 8: 1.860, 9: 1.833}
"""The 95 % quantile of Student's t by degrees of freedom, for two-sided intervals of 90 %."""
_RESAMPLES = 2000


def tables_of(rows: Sequence[Row], published: Mapping[str, Any]) -> dict[str, Any]:
    """Every table of which a row is there."""
    found = {}
    for name, (task, balanced, theirs) in _TABLES.items():
        own = [row for row in rows if _is_of(row, task, balanced)]
        if own:
            found[name] = table(own, published[theirs])
    return found


def _is_of(row: Row, task: int, balanced: bool) -> bool:
    values = row["unit"]["values"]
    return values["task"] == task and values["balanced"] is balanced


def table(rows: Sequence[Row], published: Mapping[str, Any]) -> dict[str, Any]:
    """One table: means over seeds in the paper's columns, then all that is known of each row."""
    by_method: dict[str, list[Row]] = {}
    for row in rows:
        by_method.setdefault(row["unit"]["values"]["method"], []).append(row)
    accuracies = {method: [row["outcome"]["test_accuracy"] for row in own] for method, own in by_method.items()}
    placed = rank_intervals(accuracies)
    return {
        "columns": list(COLUMNS),
        **{method: _columns(own) for method, own in by_method.items()},
        "details": {
            method: _details(own) | {"rank": placed[method][0], "rank_interval": placed[method][1:]}
            for method, own in by_method.items()
        },
        "search_seconds_allowed": rows[0]["unit"]["values"].get("search_seconds"),
        "published": dict(published),
    }


def _columns(rows: Sequence[Row]) -> list[float]:
    outcomes = [row["outcome"] for row in rows]
    return [
        100 * statistics.fmean(one["test_accuracy"] for one in outcomes),
        statistics.fmean(one["parameters"] for one in outcomes) / 1e6,
        statistics.fmean(one["search_seconds"] for one in outcomes),
        statistics.fmean(one["training_seconds"] for one in outcomes),
    ]


def _details(rows: Sequence[Row]) -> dict[str, Any]:
    outcomes = [row["outcome"] for row in rows]
    accuracies = [one["test_accuracy"] for one in outcomes]
    return {
        "seeds": sorted(row["unit"]["values"]["seed"] for row in rows),
        "test_accuracy": accuracies,
        "test_accuracy_std": statistics.stdev(accuracies) if len(accuracies) > 1 else None,
        "test_accuracy_interval": interval(accuracies),
        "test_balanced_accuracy": [one["test_balanced_accuracy"] for one in outcomes],
        "validation_accuracy": [one["validation_accuracy"] for one in outcomes],
        "iterations": [one["iterations"] for one in outcomes],
        "iterations_to_the_last_incumbent": [one.get("iterations_to_the_last_incumbent") for one in outcomes],
        "sources": [one["source"] for one in outcomes if "source" in one],
        "space_sizes": [one["space"]["size"] for one in outcomes if "space" in one],
        "curves": [curve(one) for one in outcomes],
    }


def curve(outcome: Mapping[str, Any]) -> list[list[float]]:
    """[device seconds, best validation accuracy so far]: of the search's events, then of the trained network.

    Scores during a search are those of the strategy itself: of networks trained for few epochs, or of a path through
    shared weights. The last point is the final network.
    """
    seconds = outcome["search_seconds"] + outcome["training_seconds"]
    return [*outcome["curve"], [seconds, outcome["validation_accuracy"]]]


def interval(values: Sequence[float]) -> list[float] | None:
    """90 % Student t interval of a mean over 2 to 10 seeds; None for one."""
    if len(values) < 2:
        return None
    half = _T95[len(values) - 1] * statistics.stdev(values) / len(values) ** 0.5
    mean = statistics.fmean(values)
    return [mean - half, mean + half]


def rank_intervals(accuracies: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """For each method its rank by mean accuracy (1 is best), and the 90 % range of ranks over draws of the seeds."""
    rng = np.random.default_rng(0)
    methods = list(accuracies)
    of_means = ranks([-statistics.fmean(accuracies[method]) for method in methods])
    drawn = []
    for _ in range(_RESAMPLES):
        means = [float(rng.choice(accuracies[method], len(accuracies[method])).mean()) for method in methods]
        drawn.append(ranks([-mean for mean in means]))
    low, high = np.quantile(np.array(drawn), [0.05, 0.95], axis=0)
    return {
        method: [float(of_means[index]), float(low[index]), float(high[index])] for index, method in enumerate(methods)
    }
