"""Compares our Figure 1 with the published one: the targets that differ, all pairs at once, and the blocks."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.paper.agreement import COUNT, blocks, spearman, spread
from benchmarks.paper.tasks import DATASETS


def compare_with_published(figure: Mapping[str, Any], published: Mapping[str, Any]) -> dict[str, Any]:
    """How a mode's figure (`figure_1.summarise`) and the published one differ and agree."""
    return {
        "differences": differences(figure, published),
        "spearman_of_all_pairs": pairs_spearman(np.array(figure["mean"]), np.array(published["mean"])),
        "closest_in_own_data_set": in_own_data_set(figure["closest_source_of_each_target"]),
        "published": {
            "blocks": blocks(np.array(published["mean"])),
            "closest_in_own_data_set": in_own_data_set(published["closest_source_of_each_target"]),
        },
    }


def differences(figure: Mapping[str, Any], published: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For each target whose closest source is not the published one: both sources, and how far apart they are."""
    ours, theirs = figure["closest_source_of_each_target"], published["closest_source_of_each_target"]
    return [
        _difference(figure, published, target, a, b)
        for target, (a, b) in enumerate(zip(ours, theirs, strict=True))
        if a != b
    ]


def _difference(
    figure: Mapping[str, Any], published: Mapping[str, Any], target: int, ours: int, theirs: int
) -> dict[str, Any]:
    mean, std = figure["mean"], figure["std"]
    return {
        "target": target,
        "source": ours,
        "distance": mean[ours][target],
        "std": std[ours][target],
        "published_source": theirs,
        "distance_of_the_published_source": mean[theirs][target],
        "std_of_the_published_source": std[theirs][target],
        "rank_of_the_published_source": place(mean, target, theirs),
        "gap_in_spreads": gap_in_spreads(figure, target, nearer=ours, farther=theirs),
        "published_gap_in_spreads": gap_in_spreads(published, target, nearer=theirs, farther=ours),
        "sources_share_a_data_set": DATASETS[ours] == DATASETS[theirs],
    }


def place(mean: list[list[float]], target: int, source: int) -> int:
    """The rank of a source among the seven of a target, 1 for the closest; equal ones share the better rank."""
    return 1 + sum(mean[other][target] < mean[source][target] for other in range(COUNT) if other != target)


def gap_in_spreads(figure: Mapping[str, Any], target: int, *, nearer: int, farther: int) -> float | None:
    """(d' - d) / √(s² + s'²), dimensionless: how much farther one source is than the other; None for a root of zero."""
    mean, apart = figure["mean"], spread(np.array(figure["std"]), target, nearer, farther)
    return (mean[farther][target] - mean[nearer][target]) / apart if apart else None


def pairs_spearman(ours: np.ndarray, theirs: np.ndarray) -> float | None:
    """Spearman's ρ over all 56 pairs of different tasks, in [-1, 1]; None where one side is constant."""
    off_diagonal = ~np.eye(COUNT, dtype=bool)
    return spearman(ours[off_diagonal].tolist(), theirs[off_diagonal].tolist())


def in_own_data_set(closest: list[int]) -> int:
    """For how many of the eight targets the closest source is a task of the same data set."""
    return sum(DATASETS[source] == DATASETS[target] for target, source in enumerate(closest))
