"""The page of the matrix, its figure, and one pair from close by."""

import csv
import io
import xml.etree.ElementTree as ElementTree
from typing import Any

import httpx
import numpy as np
import pytest

from ldnas.recipe import default_recipe
from service.dashboard import matrix_views
from tests.service.measured import keep_distance
from worker.registry import Engine, unit_of_work

PAGE = {"Accept": "text/html"}


def figure(http: httpx.Client, **query: Any) -> dict[str, Any]:
    answer = http.get("/figures/distances.json", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def cells(drawn: dict[str, Any]) -> dict[tuple[str, str], float]:
    """The distance by the names of source and target, for the pairs that have one."""
    trace, layout = drawn["data"][0], drawn["layout"]
    rows, columns = layout["yaxis"]["ticktext"], layout["xaxis"]["ticktext"]
    return {
        (rows[row], columns[column]): value
        for row, values in enumerate(trace["z"])
        for column, value in enumerate(values)
        if value is not None
    }


@pytest.mark.parametrize("order", ["clustered", "name", "age"])
def test_every_order_shows_the_same_distances(http: httpx.Client, measured_tasks: dict[str, str], order: str) -> None:
    assert cells(figure(http, order=order)) == {("a", "b"): 1.5, ("a", "t"): 0.5}


def test_the_spread_is_open_where_there_is_one_repetition(http: httpx.Client, measured_tasks: dict[str, str]) -> None:
    assert cells(figure(http, shown="std")) == {("a", "b"): pytest.approx(0.5**0.5)}


def test_a_cell_leads_to_its_pair_and_says_what_it_shows(http: httpx.Client, measured_tasks: dict[str, str]) -> None:
    trace = figure(http, order="age")["data"][0]
    address = trace["customdata"][0][1]
    assert address == f"/distances/{measured_tasks['a']}/{measured_tasks['b']}?measure=log_det_layerwise"
    assert trace["text"][0][1] == "a to b<br>1.5 ± 0.707 over 2 repetitions"
    shown = http.get(address, headers=PAGE)
    assert shown.status_code == 200
    assert "1.5</strong> ± 0.707 over 2 repetitions" in shown.text


def test_its_files_have_the_names_and_figures_as_text(http: httpx.Client, measured_tasks: dict[str, str]) -> None:
    table = [*csv.DictReader(io.StringIO(http.get("/figures/distances.csv").text))]
    assert {(row["source"], row["target"], float(row["mean"])) for row in table} == {("a", "b", 1.5), ("a", "t", 0.5)}
    drawing = ElementTree.fromstring(http.get("/figures/distances.svg").content)
    assert {"a", "b", "1.5", "0.5"} <= {"".join(element.itertext()).strip() for element in drawing.iter()}


def test_the_figure_changes_with_the_matrix(http: httpx.Client, measured_tasks: dict[str, str], engine: Engine) -> None:
    before = http.get("/figures/distances.json")
    same = http.get("/figures/distances.json", headers={"If-None-Match": before.headers["ETag"]})
    keep_distance(engine, "b0", "a0", 9.0)
    after = http.get("/figures/distances.json", headers={"If-None-Match": before.headers["ETag"]})
    assert (before.status_code, same.status_code, after.status_code) == (200, 304, 200)
    assert cells(after.json())["b", "a"] == 9.0


def test_a_source_and_a_target_lead_to_their_pair(http: httpx.Client, measured_tasks: dict[str, str]) -> None:
    answer = http.get("/distances", params={"source": "a", "target": "b"}, headers=PAGE)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/distances/a/b?measure=log_det_layerwise")


def test_a_pair_that_was_not_measured_says_how_to_measure_it(
    http: httpx.Client, measured_tasks: dict[str, str]
) -> None:
    answer = http.get("/distances/b/a", headers=PAGE)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "POST /v1/distances" in answer.text


def test_a_pair_of_a_measured_column_shows_how_probable_its_source_is(
    http: httpx.Client, measured_tasks: dict[str, str], engine: Engine
) -> None:
    asked = http.get("/v1/recommendations").json()["items"][0]
    entry = {"task_id": measured_tasks["a"], "measure": "log_det_layerwise", "interval": [0.2, 0.8]}
    assert "not known" in http.get("/distances/a/t", headers=PAGE).text
    with unit_of_work(engine) as registry:
        row = registry.recommendations.get(asked["id"])
        row.document = {**row.document, "distances": [{**entry, "probability_closest": 0.93}]}
    shown = http.get("/distances/a/t", headers=PAGE).text
    assert "with probability 93 %" in shown
    assert "0.2 to 0.8" in shown


def test_layers_and_repetitions_are_drawn(http: httpx.Client, measured_tasks: dict[str, str], engine: Engine) -> None:
    layers = [("stem", 0.25), ("head", -0.5)]
    keep_distance(engine, "b0", "a0", 0.75, contributions=layers, standard_error=0.1)
    drawn = http.get("/figures/distances/b/a/layers.json").json()["data"][0]
    assert (drawn["y"], drawn["x"]) == (["head", "stem"], [-0.5, 0.25])
    drawn = http.get("/figures/distances/b/a/repetitions.json").json()["data"][0]
    assert (drawn["y"], drawn["error_y"]["array"]) == ([0.75], [0.1])
    for part in ("layers", "repetitions"):
        for format in ("svg", "csv"):
            assert http.get(f"/figures/distances/b/a/{part}.{format}").status_code == 200


def test_too_many_tasks_fall_into_clusters_that_open(
    http: httpx.Client, task_body: dict, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six tasks on a line, three at 0 and three at 10, where no more than four may be drawn in two clusters."""
    monkeypatch.setattr(matrix_views, "MAX_TASKS", 4)
    monkeypatch.setattr(matrix_views, "CLUSTERS", 2)
    places = {"a0": 0.0, "b0": 10.0, "a1": 0.1, "b1": 10.1, "a2": 0.2, "b2": 10.2}
    _measure_line(http, task_body, engine, places)
    outside = figure(http)
    assert sorted(outside["layout"]["yaxis"]["ticktext"]) == ["a0 +2", "b0 +2"]
    between = [abs(places[a] - places[b]) for a in ("a0", "a1", "a2") for b in ("b0", "b1", "b2")]
    assert cells(outside)["a0 +2", "b0 +2"] == pytest.approx(float(np.mean(between)))
    assert cells(outside)["a0 +2", "a0 +2"] == pytest.approx((0.1 + 0.1 + 0.2) / 3), "without a task and itself"
    row = outside["layout"]["yaxis"]["ticktext"].index("b0 +2")
    address = outside["data"][0]["customdata"][row][0]
    assert address.startswith("/distances?")
    opened = figure(http, **dict(httpx.URL(address).params))
    assert sorted(opened["layout"]["yaxis"]["ticktext"]) == ["b0", "b1", "b2"]
    assert cells(opened)["b0", "b2"] == pytest.approx(0.2)
    assert http.get("/figures/distances.json", params={"inside": "7"}).status_code == 404


def _measure_line(http: httpx.Client, task_body: dict, engine: Engine, places: dict[str, float]) -> None:
    rows = []
    for name in places:
        id = http.post("/v1/tasks", json=task_body | {"name": name}).json()["id"]
        with unit_of_work(engine) as registry:
            registry.results.store_network(
                key=name,
                architecture="small_cnn",
                seed=0,
                classes=2,
                weights="w",
                parameters=7,
                validation_accuracy=0.9,
                validation_balanced_accuracy=0.9,
                seconds=1.0,
            )
            registry.task_results.link_network(id, 0, name)
        rows += [(name, other, abs(places[name] - places[other])) for other in places]
    shared = {"data_key": "d", "measure": "log_det_layerwise", "recipe_digest": default_recipe("small_cnn").digest}
    with unit_of_work(engine) as registry:
        registry.results.store_distances(
            [
                {"source_network": source, "target_network": target, "value": value, "signed": value, **shared}
                for source, target, value in rows
            ]
        )


@pytest.mark.parametrize("path", ["/distances", "/distances/%3Cscript%3E/b", "/compare"])
def test_nothing_that_is_unknown_breaks_a_page(http: httpx.Client, path: str) -> None:
    answer = http.get(path, headers=PAGE)
    assert answer.status_code in (200, 404, 422)
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "<script>" not in answer.text
