"""Classical scaling, against arrangements that are known."""

import numpy as np
import pytest

from service.figures.scaling import place
from service.figures.task_map import MapTask, task_map
from worker.registry import MatrixEntry

NAN = float("nan")


def distances_of(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points[:, None] - points[None], axis=-1)


def test_points_of_a_plane_come_back_but_for_a_turn() -> None:
    points = np.random.default_rng(0).normal(size=(9, 2))
    placement = place(distances_of(points))
    assert placement is not None
    np.testing.assert_allclose(distances_of(placement.points), distances_of(points), atol=1e-9)
    assert placement.shown == pytest.approx(1.0)
    assert placement.bridged == 0


def test_the_share_that_a_plane_cannot_hold_is_reported() -> None:
    # Four points at distance 1 from each other are a tetrahedron: three equal eigenvalues, of which two are shown.
    placement = place(1.0 - np.eye(4))
    assert placement is not None
    assert placement.shown == pytest.approx(2 / 3)


def test_of_two_directions_the_mean_counts_and_of_one_that_one() -> None:
    placement = place(np.array([[0, 3.0, NAN], [5.0, 0, NAN], [4.0, NAN, 0]]))
    assert placement is not None
    between = distances_of(placement.points)
    # 0 to 1 is the mean of 3 and 5; 2 to 1 goes over 0, which makes a line.
    np.testing.assert_allclose(between, [[0, 4, 4], [4, 0, 8], [4, 8, 0]], atol=1e-9)
    assert placement.bridged == 1


def test_what_nothing_connects_is_left_out() -> None:
    distances = np.full((5, 5), NAN)
    distances[0, 3] = distances[1, 2] = distances[2, 4] = 1.0
    placement = place(distances)
    assert placement is not None
    assert placement.members.tolist() == [1, 2, 4]
    assert place(np.full((3, 3), NAN)) is None


def test_equal_distances_make_one_place() -> None:
    placement = place(np.zeros((3, 3)))
    assert placement is not None
    np.testing.assert_array_equal(placement.points, np.zeros((3, 2)))
    assert placement.shown == 1.0


def test_the_map_says_what_it_leaves_out_and_what_it_bridges() -> None:
    tasks = [MapTask(id, f"task {id}", "target" if id == "c" else "baseline") for id in "abcd"]
    entries = [MatrixEntry("a", "b", 1.0, None, 1), MatrixEntry("b", "c", 2.0, None, 1)]
    figure = task_map("log_det", tasks, entries, more=True)
    assert figure is not None
    for words in ("3 tasks", "1 of 3 pairs", "1 tasks without", "the newest 4", "projection"):
        assert words in figure.summary
    assert [trace["name"] for trace in figure.data] == ["baselines", "targets"]
    assert [(row[0], row[2]) for row in figure.rows] == [("a", "baseline"), ("b", "baseline"), ("c", "target")]
    assert figure.svg() == figure.svg()
