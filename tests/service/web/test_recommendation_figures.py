"""The figures of a recommendation, against values worked out by hand."""

import csv
import io
from typing import Any
from xml.etree import ElementTree

import pytest

from service.figures.alphas import alphas
from service.figures.candidates import Candidate, candidates, candidates_of
from service.figures.confusion import confusion, recalls, worst_pairs
from service.figures.control import control
from service.figures.figure import Figure
from service.figures.incumbents import incumbents
from service.figures.job_events import DistanceEvent
from service.figures.nearest import nearest
from service.figures.search_history import Edges
from service.schemas.answer import Control, Recommendation
from service.schemas.evaluation import ClassRecall, Evaluation
from tests.service.web.test_search_history import cell, history_of, search

CELLS: list[Edges] = [((0, 1, each), (1, 2, "identity")) for each in ("identity", "sep_conv_3x3")]


def recommendation(**parts: Any) -> Recommendation:
    progress = {"fraction": None, "eta_seconds": None, "message": None}
    fixed = {"id": "r", "name": None, "job_id": "j", "state": "running", "stage": "distance", "progress": progress}
    fixed |= {"created_at": 0, "finished_at": None, "error": None, "target": {"task_id": "t", "dataset": {}}}
    return Recommendation.model_validate(fixed | parts)


def distance(name: str, mean: float | None, interval: Any = None, probability: float | None = None) -> dict[str, Any]:
    entry = {"task_id": f"id of {name}", "name": name, "measure": "log_det", "mean": mean, "interval": interval}
    return entry | {"std": 0.5, "probability_closest": probability, "comparable": mean is not None}


def evaluation(confusion: list[list[int]]) -> Evaluation:
    names = [f"c{place}" for place in range(len(confusion))]
    recall = [
        ClassRecall(
            name=name,
            images=sum(row),
            recall=row[place] / sum(row) if sum(row) else None,
            interval=(0.1, 0.9) if sum(row) else None,
        )
        for place, (name, row) in enumerate(zip(names, confusion, strict=True))
    ]
    images = sum(map(sum, confusion))
    wrong = images - sum(row[place] for place, row in enumerate(confusion))
    return Evaluation(
        recommendation_id="r",
        classes=names,
        images=images,
        confusion=confusion,
        recall=recall,
        wrong=wrong,
        errors=[],
        sheet=None,
    )


def table(figure: Figure) -> list[list[str]]:
    return list(csv.reader(io.StringIO(figure.csv().decode())))


def test_a_distance_has_its_interval_and_the_scale_next_to_it() -> None:
    figure = nearest(
        recommendation(
            distances=[
                distance("near", 0.5, [0.25, 0.75], 0.95),
                distance("far", 2.0, [1.0, 4.0]),
                distance("other", None),
            ],
            scale={"self_distance": 0.2, "untrained_distance": 3.0},
        ),
        {},
    )
    (trace,) = figure.data
    assert (trace["x"], trace["text"]) == ([0.5, 2.0], ["near", "far"])
    assert (trace["error_x"]["arrayminus"], trace["error_x"]["array"]) == ([0.25, 1.0], [0.25, 2.0])
    assert [one["href"] for one in trace["customdata"]] == ["/tasks/id of near", "/tasks/id of far"]
    assert [line["x0"] for line in figure.layout["shapes"]] == [0.2, 3.0]
    assert "near is nearest, at 0.5" in figure.summary
    assert table(figure)[1:] == [
        ["id of near", "near", "0.5", "0.5", "0.25", "0.75", "0.95", "True"],
        ["id of far", "far", "2.0", "0.5", "1.0", "4.0", "", "True"],
        ["id of other", "other", "", "0.5", "", "", "", "False"],
    ]


def test_distances_are_drawn_as_they_arrive_nearest_first() -> None:
    arrived = {id: DistanceEvent(id, id, "log_det", mean, std) for id, mean, std in (("a", 2.0, 0.5), ("b", 1.0, None))}
    (trace,) = nearest(recommendation(), arrived).data
    assert (trace["x"], trace["text"]) == ([1.0, 2.0], ["b", "a"])
    assert (trace["error_x"]["arrayminus"], trace["error_x"]["array"]) == ([None, 0.5], [None, 0.5])


def test_tags_in_a_name_are_text() -> None:
    figure = nearest(recommendation(distances=[distance("<b>&x", 1.0)]), {})
    assert figure.data[0]["text"] == ["&lt;b>&amp;x"]
    assert figure.layout["yaxis"]["ticktext"] == ["&lt;b>&amp;x"]


def test_each_round_is_divided_among_its_candidates_and_one_that_dropped_out_has_nothing() -> None:
    history = history_of(
        search("round", 0, "a", "b", "c", round=0, alphas=[0.2, 0.3, 0.5], validation_accuracies=[0.5, 0.6, 0.7]),
        search("round", 0, "a", "c", round=1, alphas=[0.1, 0.9], validation_accuracies=[0.5, 0.8]),
        search("round", 1, "c", "d", round=0, alphas=[0.6, 0.4], validation_accuracies=[0.8, 0.7]),
    )
    figure = alphas(history)
    assert [trace["y"] for trace in figure.data] == [[0.2, 0.1, 0.6], [0.3, 0.0, 0.4], [0.5, 0.9, 0.0]]
    assert figure.data[0]["x"] == [["iteration 1", "iteration 1", "iteration 2"], ["1", "2", "1"]]
    assert figure.data[0]["text"] == ["cell 1", "cell 1", "cell 3"]
    assert "cell 3 leads with a weight of 0.60" in figure.summary
    assert table(figure)[4][:3] == ["1", "2", "cell 1"]
    assert len(table(figure)) == 1 + 3 + 2 + 2


def test_of_many_candidates_the_later_ones_are_one_and_of_many_rounds_the_latest_are_drawn() -> None:
    names = "abcdefgh"
    even = [1 / 8] * 8
    rounds = [search("round", 0, *names, round=number, alphas=even, validation_accuracies=even) for number in range(70)]
    figure = alphas(history_of(*rounds))
    assert [trace["y"][0] for trace in figure.data] == [1 / 8] * 6 + [2 / 8]
    assert len(figure.data[0]["y"]) == 60
    assert figure.data[0]["x"][1][0] == "11"
    assert len(table(figure)) == 1 + 70 * 8


def test_a_new_incumbent_is_a_star() -> None:
    history = history_of(
        search("round", 0, "a", "b", round=0, alphas=[], validation_accuracies=[0.5, 0.7]),
        search("iteration", 0, "a", "b", incumbent=cell("b")),
        search("iteration", 1, "b", "c", incumbent=cell("b")),
        search("round", 2, "b", "c", round=0, alphas=[], validation_accuracies=[0.6, 0.9]),
        search("iteration", 2, "b", "c", incumbent=cell("c")),
    )
    figure = incumbents(history)
    assert figure.data[0]["x"] == [1, 2, 3]
    assert figure.data[0]["y"] == [0.7, 0.7, 0.9]
    assert figure.data[0]["marker"]["symbol"] == ["star", "circle", "star"]
    assert "After 3 iterations cell 3 leads; the lead changed once." in figure.summary
    assert figure.layout["yaxis"]["range"] == [pytest.approx(0.65), pytest.approx(0.95)]


def test_a_candidate_has_the_parameters_of_its_network() -> None:
    skeleton = {"image_size": 8, "classes": 2, "stem_channels": 4, "stages": [{"channels": 4, "cells": 1}]}
    genotype = tuple((start, end, "identity") for start, end in ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)))
    (one,) = candidates_of({genotype: 0.5}, {genotype: "cell 1"}, skeleton)
    # The stem: 3×3 weights from 3 to 4 channels, a scale and a shift each; the head: weights and a bias for 2 classes.
    assert one == Candidate("cell 1", genotype, 0.5, 9 * 3 * 4 + 2 * 4 + 2 * 4 + 2)


def test_the_chosen_cell_is_a_star_and_a_limit_a_line() -> None:
    found = [Candidate("cell 1", CELLS[0], 0.5, 100), Candidate("cell 2", CELLS[1], 0.75, 200)]
    figure = candidates(found, CELLS[1], 300)
    tried, chosen = figure.data
    assert (tried["x"], tried["y"], chosen["x"], chosen["y"]) == ([100], [0.5], [200], [0.75])
    assert figure.layout["shapes"][0]["x0"] == 300
    assert figure.summary == "2 cells with 100 to 200 parameters. Cell 2 was chosen: 75.0% with 200."
    assert [row[-1] for row in table(figure)[1:]] == ["False", "True"]


def test_a_way_without_a_comparison_is_in_the_table_alone() -> None:
    arm = {"mean": 0.5, "difference": 0.25, "interval": [-0.125, 0.5], "verdict": "undecided"}
    figure = control(
        Control.model_validate({"found": {"mean": 0.75}, "random": arm, "resnet18": {"reason": "too large"}})
    )
    assert (figure.data[0]["x"], figure.data[0]["text"]) == ([25.0], ["random cells"])
    assert (figure.data[0]["error_x"]["arrayminus"], figure.data[0]["error_x"]["array"]) == ([37.5], [25.0])
    assert len(table(figure)) == 4


def test_the_matrix_shows_counts_on_shares() -> None:
    figure = confusion(evaluation([[3, 1, 0], [0, 2, 2], [0, 0, 0]]))
    (trace,) = figure.data
    assert trace["z"] == [[0.75, 0.25, 0], [0, 0.5, 0.5], [0, 0, 0]]
    assert trace["text"] == [[3, 1, ""], ["", 2, 2], ["", "", ""]]
    assert "3 of 8 test images are wrong; most often c1 is taken for c2 (2 images)" in figure.summary
    assert table(figure)[1:4] == [["c0", "c0", "3"], ["c0", "c1", "1"], ["c0", "c2", "0"]]


def test_of_many_classes_the_worst_pairs_are_drawn() -> None:
    many = [[int(row == column) * 5 for column in range(51)] for row in range(51)]
    many[3][4], many[7][2] = 2, 9
    figure = confusion(evaluation(many))
    assert figure.data[0]["x"] == [9, 2]
    assert figure.data[0]["text"] == ["c7 as c2", "c3 as c4"]
    assert worst_pairs(evaluation(many)) == [("c7", "c2", 9), ("c3", "c4", 2)]
    assert len(table(figure)) == 1 + 51 + 2


def test_the_weakest_class_is_at_the_top_and_one_without_images_is_not_drawn() -> None:
    figure = recalls(evaluation([[3, 1, 0], [2, 2, 0], [0, 0, 0]]))
    assert figure.data[0]["text"] == ["c1", "c0"]
    assert figure.data[0]["x"] == [50.0, 75.0]
    assert figure.data[0]["error_x"]["array"] == [pytest.approx(40.0), pytest.approx(15.0)]
    assert table(figure)[3] == ["c2", "0", "", "", ""]


@pytest.mark.parametrize(
    "figure",
    [
        nearest(recommendation(distances=[distance("<x>", 1.0, [0.5, 2.0])], scale={"self_distance": 0.2}), {}),
        nearest(recommendation(), {}),
        alphas(history_of(search("round", 0, "a", "b", round=0, alphas=[0.4, 0.6], validation_accuracies=[0.5, 0.7]))),
        alphas(history_of()),
        incumbents(history_of(search("iteration", 0, "a", incumbent=cell("a")))),
        candidates([Candidate("cell 1", CELLS[0], 0.5, 100)], CELLS[0], 300),
        control(Control()),
        confusion(evaluation([[3, 1], [0, 2]])),
        confusion(evaluation([[int(row == column) for column in range(51)] for row in range(51)])),
        recalls(evaluation([[3, 1], [0, 2]])),
    ],
)
def test_each_is_a_file_and_data_for_the_page(figure: Figure) -> None:
    assert ElementTree.fromstring(figure.svg()).tag.endswith("svg")
    assert figure.svg() == figure.svg()
    assert figure.plotly().startswith(b"{")
    assert figure.summary.endswith(".")
