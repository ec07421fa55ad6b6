"""Our Figure 1 against the published one: the arithmetic by hand."""

import copy
import math
from typing import Any

import numpy as np
import pytest

from benchmarks.paper.differences import compare_with_published, gap_in_spreads, pairs_spearman, place
from benchmarks.paper.result import PUBLISHED

THEIRS = PUBLISHED["figure_1"]


def figure() -> dict[str, Any]:
    """The published figure but for target 3, of which 6 is closer than the published 7, and 1 closer still."""
    ours: dict[str, Any] = copy.deepcopy(THEIRS)
    for source, mean, std in ((1, 0.10, 0.03), (6, 0.20, 0.02), (7, 0.25, 0.04)):
        ours["mean"][source][3], ours["std"][source][3] = mean, std
    ours["closest_source_of_each_target"][3] = 1
    return ours


def test_a_target_that_differs_has_both_sources_and_the_gap_in_units_of_the_spread() -> None:
    (one,) = compare_with_published(figure(), THEIRS)["differences"]
    assert one == {
        "target": 3,
        "source": 1,
        "distance": 0.10,
        "std": 0.03,
        "published_source": 7,
        "distance_of_the_published_source": 0.25,
        "std_of_the_published_source": 0.04,
        "rank_of_the_published_source": 3,
        "gap_in_spreads": pytest.approx(0.15 / 0.05),
        "published_gap_in_spreads": pytest.approx((0.52 - 0.23) / math.hypot(0.06, 0.03)),
        "sources_share_a_data_set": False,
    }


def test_two_sources_of_one_data_set_are_marked_whatever_the_data_set_of_the_target() -> None:
    ours = figure() | {"closest_source_of_each_target": [1, 0, 3, 6, 5, 4, 7, 6]}
    assert [one["sources_share_a_data_set"] for one in compare_with_published(ours, THEIRS)["differences"]] == [True]


def test_nothing_differs_from_itself() -> None:
    found = compare_with_published(THEIRS, THEIRS)
    assert found["differences"] == []
    assert found["spearman_of_all_pairs"] == pytest.approx(1.0)
    # Of all targets only 3, whose closest is 7, has it in the other data set.
    assert found["closest_in_own_data_set"] == found["published"]["closest_in_own_data_set"] == 7


def test_the_published_blocks_are_the_means_of_its_quarters() -> None:
    blocks = compare_with_published(THEIRS, THEIRS)["published"]["blocks"]
    mnist = [0.43, 1.24, 0.77, 0.86, 1.28, 0.52, 1.91, 2.07, 0.44, 1.61, 0.89, 0.17]
    cifar10 = [0.04, 0.34, 0.58, 0.04, 0.32, 0.61, 0.24, 0.24, 0.34, 0.38, 0.39, 0.25]
    assert blocks["mnist_to_mnist"] == pytest.approx(sum(mnist) / 12)
    assert blocks["cifar10_to_cifar10"] == pytest.approx(sum(cifar10) / 12)
    corner = [row[4:] for row in THEIRS["mean"][:4]]
    assert blocks["mnist_to_cifar10"] == pytest.approx(sum(map(sum, corner)) / 16)


def test_a_rank_counts_the_closer_sources_but_not_the_target_itself() -> None:
    assert [place(THEIRS["mean"], 0, source) for source in (1, 3, 4)] == [1, 2, 7]


def test_a_gap_without_a_spread_is_not_a_number_of_spreads() -> None:
    single = THEIRS | {"std": [[0.0] * 8] * 8}
    assert gap_in_spreads(single, 3, nearer=7, farther=6) is None


def test_the_correlation_of_all_pairs_leaves_the_diagonal_out() -> None:
    ours = np.arange(64.0).reshape(8, 8)
    theirs = -ours
    ours[range(8), range(8)], theirs[range(8), range(8)] = 1e9, 1e9
    assert pairs_spearman(ours, theirs) == pytest.approx(-1.0)
    assert pairs_spearman(np.ones((8, 8)), theirs) is None
