"""Order and groups of tasks by their distances."""

import numpy as np

from service.figures.clusters import clustered_order, clusters, nearness


def test_nearness_takes_both_directions_or_the_one_that_there_is_or_the_largest() -> None:
    mean = [[0.0, 1.0, None], [3.0, 0.0, 5.0], [None, None, 0.0]]
    assert nearness(mean).tolist() == [[0.0, 2.0, 5.0], [2.0, 0.0, 5.0], [5.0, 5.0, 0.0]]


def test_nearness_begins_at_0_where_a_measure_knows_negative_values() -> None:
    apart = nearness([[0.0, -2.0, 1.0], [-2.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    assert apart.tolist() == [[0.0, 0.0, 3.0], [0.0, 0.0, 2.0], [3.0, 2.0, 0.0]]


def test_without_any_distance_nothing_is_near_or_far() -> None:
    assert nearness([[None, None], [None, None]]).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert nearness(np.empty((0, 0))).tolist() == []


def test_tasks_on_a_line_stand_in_its_order() -> None:
    places = np.array([5.0, 0.0, 3.0, 1.0, 8.0])
    order = clustered_order(np.abs(places[:, None] - places[None, :]))
    along = places[order].tolist()
    assert along in (sorted(places), sorted(places, reverse=True))


def test_clusters_are_the_groups_that_are_far_apart_the_largest_first() -> None:
    places = np.array([0.0, 9.0, 0.2, 9.1, 0.1])
    apart = np.abs(places[:, None] - places[None, :])
    assert clusters(apart, 2) == [[0, 2, 4], [1, 3]]
    assert clusters(apart[:1, :1], 2) == [[0]]
