"""The history of a search, built from a job's events."""

from types import SimpleNamespace
from typing import Any

from service.figures.search_history import SearchHistory, edges_of, in_words, search_history_of


def cell(primitive: str) -> dict[str, Any]:
    return {"edges": [[0, 1, primitive], [1, 2, "identity"]]}


def search(kind: str, iteration: int, *primitives: str, **more: Any) -> tuple[str, dict[str, Any]]:
    data = {"iteration": iteration, "round": None, "alphas": [], "validation_accuracies": [], "incumbent": None}
    return kind, data | {"genotypes": [cell(each) for each in primitives]} | more


def history_of(*events: tuple[str, dict[str, Any]]) -> SearchHistory:
    return search_history_of(SimpleNamespace(id=id, kind=kind, data=data) for id, (kind, data) in enumerate(events, 7))


def test_cells_are_called_by_the_order_in_which_they_come_up() -> None:
    history = history_of(
        search("candidates", 0, "a", "b"),
        search("round", 0, "a", "b", round=0, alphas=[0.4, 0.6], validation_accuracies=[0.5, 0.7]),
        search("iteration", 0, "a", "b", incumbent=cell("b")),
        search("candidates", 1, "b", "c"),
        search("round", 1, "b", "c", round=0, alphas=[0.9, 0.1], validation_accuracies=[0.8, 0.6]),
        search("iteration", 1, "b", "c", incumbent=cell("b")),
    )
    a, b, c = (edges_of(cell(each)) for each in "abc")
    assert [history.name(each) for each in (a, b, c)] == ["cell 1", "cell 2", "cell 3"]
    assert history.accuracies == {a: 0.5, b: 0.8, c: 0.6}
    assert [(each.cell, each.accuracy, each.is_new) for each in history.incumbents.values()] == [
        (b, 0.7, True),
        (b, 0.8, False),
    ]
    assert history.latest == 12
    assert in_words(a) == "0→1 a; 1→2 identity"


def test_an_attempt_that_reports_a_round_again_replaces_it() -> None:
    history = history_of(
        ("stage", {"stage": "search"}),
        search("round", 0, "a", "b", round=0, alphas=[0.4, 0.6], validation_accuracies=[0.5, 0.7]),
        ("stage", {"stage": "resolve"}),
        ("stage", {"stage": "search"}),
        search("round", 0, "a", "b", round=0, alphas=[0.3, 0.7], validation_accuracies=[0.5, 0.8]),
    )
    assert [each.alphas for each in history.rounds.values()] == [(0.3, 0.7)]


def test_searches_of_a_control_are_not_in_it() -> None:
    history = history_of(
        ("stage", {"stage": "search"}),
        search("round", 0, "a", round=0, alphas=[1.0], validation_accuracies=[0.5]),
        ("stage", {"stage": "control"}),
        search("round", 0, "b", round=0, alphas=[1.0], validation_accuracies=[0.9]),
    )
    assert len(history.numbers) == 1
    assert list(history.accuracies.values()) == [0.5]


def test_a_distance_that_comes_again_counts_once() -> None:
    one = {"task_id": "t", "name": "x", "measure": "log_det", "mean": 1.0, "std": 0.1}
    history = history_of(("distance", one), ("distance", one | {"mean": 2.0}))
    assert {id: each.mean for id, each in history.distances.items()} == {"t": 2.0}


def test_a_cycle_that_comes_again_counts_once_and_a_preparation_apart() -> None:
    one = {"candidate": "x", "candidate_kind": "cell", "rung": 0, "epochs": 3, "seconds": 1.0, "standard_error": 0.1}
    cycles = [one | {"epochs": 0, "score": 0.25}, one | {"score": 0.5}, one | {"score": 0.75}]
    history = history_of(*(("cycle", each) for each in cycles))
    assert [each.score for each in history.cycles.values()] == [0.25, 0.75]


def test_keys_of_a_later_release_are_left_out() -> None:
    distance = {"task_id": "t", "name": "x", "measure": "log_det", "mean": 1.0, "std": None, "colour": "red"}
    history = history_of(("distance", distance), search("candidates", 0, "a", colour="red"))
    assert history.distances["t"].mean == 1.0
    assert len(history.numbers) == 1
