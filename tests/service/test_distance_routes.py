"""The matrix of distances, as JSON and as CSV."""

import csv
import io
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, get_args
from unittest.mock import AsyncMock

import httpx
import pytest
from fastapi import FastAPI

from ldnas.networks.names import ARCHITECTURES
from ldnas.recipe import MEASURES, STANDING_MEASURES, default_recipe, measured_recipes
from service.api.errors import NotAcceptableError
from service.api.http.negotiation import negotiated
from service.api.matrix import table as matrix_documents
from service.api.polling.rendered import ENTRY_BYTES, Rendered, RenderedAnswers
from service.api.routes import distances
from service.schemas.distances import DistanceMatrix
from tests.service.measured import keep_distance
from worker.registry import Engine, QuickReader, unit_of_work
from worker.registry.tasks import Tasks
from worker.specification import Measure, StandingMeasure


@pytest.fixture
def tasks(measured_tasks: dict[str, str]) -> dict[str, str]:
    """Two baselines and a target: "a" to "b" measured twice, "a" to the target once, and nothing else."""
    return measured_tasks


def matrix_of(http: httpx.Client, **query: str) -> dict[str, Any]:
    """The matrix, whose shape is that which is documented."""
    answer = http.get("/v1/distances", params=query)
    assert answer.status_code == 200
    document = answer.json()
    DistanceMatrix.model_validate_json(answer.content, strict=True)
    assert set(document) == set(DistanceMatrix.model_fields)
    for table in ("mean", "std", "repetitions"):
        assert [len(row) for row in document[table]] == [len(document["targets"])] * len(document["sources"])
    return document


def test_rows_are_sources_and_columns_targets_and_the_unmeasured_is_null(
    http: httpx.Client, tasks: dict[str, str]
) -> None:
    matrix = matrix_of(http)
    assert matrix["measure"] == "log_det_layerwise"
    assert matrix["tasks"] == [{"id": tasks[name], "name": name} for name in ("a", "b", "t")]
    assert matrix["sources"] == matrix["targets"] == [task["id"] for task in matrix["tasks"]], "it is square"
    assert matrix["mean"] == [[None, 1.5, 0.5], [None] * 3, [None] * 3]
    assert matrix["std"] == [[None, pytest.approx(0.5**0.5), None], [None] * 3, [None] * 3]
    assert matrix["repetitions"] == [[None, 2, 1], [None] * 3, [None] * 3]


def test_a_target_that_was_compared_with_itself_alone_has_no_column_in_the_whole(
    http: httpx.Client, tasks: dict[str, str], engine: Engine
) -> None:
    keep_distance(engine, "t0", "t0", 0.0, measure="log_det")
    keep_distance(engine, "a0", "a0", 0.0, measure="log_det")
    matrix = matrix_of(http, measure="log_det")
    assert [task["name"] for task in matrix["tasks"]] == ["a", "b"]
    assert matrix["mean"] == [[0.0, None], [None, None]]
    keep_distance(engine, "a0", "t0", 1.0, measure="log_det")
    assert matrix_of(http, measure="log_det")["mean"] == [[0.0, None, 1.0], [None] * 3, [None, None, 0.0]]
    assert matrix_of(http, measure="log_det", target="t")["mean"] == [[1.0], [0.0]]


def test_a_matrix_of_too_many_cells_is_refused_and_a_filter_helps(
    http: httpx.Client, tasks: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrix_documents, "MAX_CELLS", 9)
    assert len(matrix_of(http)["mean"]) == 3
    monkeypatch.setattr(matrix_documents, "MAX_CELLS", 8)
    answer = http.get("/v1/distances", params={"format": "svg"})
    assert (answer.status_code, answer.json()["code"]) == (422, "matrix_too_large")
    assert "3 by 3 tasks" in answer.json()["detail"]
    assert "`target`" in answer.json()["detail"]
    assert "CSV" in answer.json()["detail"]
    assert http.get("/v1/distances", params={"format": "csv"}).status_code == 200
    assert matrix_of(http, target="t")["mean"] == [[0.5]]


def test_no_document_holds_a_number_that_json_does_not_know(
    http: httpx.Client, tasks: dict[str, str], engine: Engine
) -> None:
    for repetition in range(2):
        keep_distance(engine, f"b{repetition}", f"a{repetition}", 1.7e308, signed=1.7e308)
    for path in ("/v1/distances", "/v1/distances?target=a", "/v1/distances/b/a"):
        answer = http.get(path)
        assert answer.status_code == 200
        assert not {"NaN", "Infinity"} & set(re.findall("[A-Za-z]+", answer.text))


def test_a_column_reads_the_names_of_its_own_tasks_alone(
    http: httpx.Client, tasks: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[set[str]] = []
    real = Tasks.names
    monkeypatch.setattr(Tasks, "names", lambda self, ids: asked.append({*ids}) or real(self, ids))
    monkeypatch.setattr(Tasks, "baseline_names", lambda self: pytest.fail("all baselines are read"))
    assert matrix_of(http, target="t")["mean"] == [[0.5]]
    assert asked == [{tasks["a"], tasks["t"]}]


def test_the_recipe_is_that_of_every_architecture(http: httpx.Client, tasks: dict[str, str]) -> None:
    recipe = matrix_of(http)["recipe"]
    assert recipe.pop("digests") == {network: default_recipe(network).digest for network in ARCHITECTURES}
    assert "network" not in recipe
    for network in ARCHITECTURES:
        assert recipe | {"network": network} == default_recipe(network).to_json()


@pytest.mark.parametrize("network", ARCHITECTURES)
def test_distances_of_every_architecture_are_shown_and_no_other_recipes(
    http: httpx.Client, tasks: dict[str, str], engine: Engine, network: str
) -> None:
    keep_distance(engine, "b0", "t0", 3.0, recipe_digest="another")
    assert matrix_of(http, source="b", target="t")["mean"] == [[None]]
    keep_distance(engine, "b0", "t0", 2.0, recipe_digest=default_recipe(network).digest)
    assert matrix_of(http, source="b", target="t")["mean"] == [[2.0]]


def test_distances_that_fewer_images_decided_are_shown_until_all_are_measured(
    engine: Engine, http: httpx.Client, tasks: dict[str, str]
) -> None:
    full, step, _ = measured_recipes("small_cnn")
    keep_distance(engine, "b0", "t0", 3.0, recipe_digest=step.digest)
    assert matrix_of(http, source="b", target="t")["mean"] == [[3.0]]
    keep_distance(engine, "b0", "t0", 2.0, recipe_digest=full.digest)
    assert matrix_of(http, source="b", target="t")["mean"] == [[2.0]]


def test_the_measures_are_those_of_the_science() -> None:
    assert get_args(Measure) == MEASURES
    assert get_args(StandingMeasure) == STANDING_MEASURES


@pytest.mark.parametrize("measure", MEASURES)
def test_every_measure_can_be_asked_for(
    http: httpx.Client, tasks: dict[str, str], engine: Engine, measure: str
) -> None:
    if measure != "log_det_layerwise":
        assert [task["name"] for task in matrix_of(http, measure=measure)["tasks"]] == ["a", "b"]
    keep_distance(engine, "b1", "a1", 4.0, measure=measure)
    assert matrix_of(http, measure=measure, source="b", target="a")["mean"] == [[4.0]]


def test_an_unknown_measure_is_refused_and_the_known_are_named(http: httpx.Client) -> None:
    answer = http.get("/v1/distances", params={"measure": "cosine"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "measure")
    assert all(measure in answer.json()["detail"] for measure in MEASURES)


def test_a_filter_by_name_or_id_leaves_what_it_touches(http: httpx.Client, tasks: dict[str, str]) -> None:
    def axes(**query: str) -> tuple[list[str], list[str]]:
        matrix = matrix_of(http, **query)
        names = {task["id"]: task["name"] for task in matrix["tasks"]}
        assert set(names) == {*matrix["sources"], *matrix["targets"]}
        return [names[id] for id in matrix["sources"]], [names[id] for id in matrix["targets"]]

    assert axes(target="t") == (["a"], ["t"])
    assert axes(target=tasks["t"]) == (["a"], ["t"])
    assert axes(source="a") == (["a"], ["b", "t"])
    assert axes(source="a", target="b") == (["a"], ["b"])
    assert axes(source="b") == (["b"], [])
    assert axes(target="a") == ([], ["a"])
    assert axes(source="b", target="a") == (["b"], ["a"])
    assert matrix_of(http, target="t")["mean"] == [[0.5]]
    assert matrix_of(http, source="a")["repetitions"] == [[2, 1]]


def test_a_filter_that_names_nothing_is_404(http: httpx.Client, tasks: dict[str, str]) -> None:
    answer = http.get("/v1/distances", params={"source": "nowhere"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.json()["detail"] == "no task has the id or name 'nowhere'"


def test_csv_has_one_line_for_each_measured_pair(http: httpx.Client, tasks: dict[str, str]) -> None:
    def lines(**query: str) -> list[dict[str, str]]:
        answer = http.get("/v1/distances", params={"format": "csv", **query})
        return list(csv.DictReader(io.StringIO(answer.text)))

    wanted = http.get("/v1/distances", headers={"Accept": "text/csv"})
    assert wanted.headers["content-type"].startswith("text/csv")
    assert wanted.text == http.get("/v1/distances", params={"format": "csv"}).text
    rows = lines()
    assert [(row["source"], row["target"], row["mean"], row["repetitions"]) for row in rows] == [
        ("a", "b", "1.5", "2"),
        ("a", "t", "0.5", "1"),
    ]
    assert (rows[0]["source_id"], rows[0]["target_id"], rows[1]["std"]) == (tasks["a"], tasks["b"], "")
    assert lines(target="t") == rows[1:]
    assert lines(source="b") == []


def test_an_unchanged_matrix_costs_a_304(http: httpx.Client, tasks: dict[str, str], engine: Engine) -> None:
    for query in ({}, {"format": "csv"}, {"target": "t"}):
        tag = http.get("/v1/distances", params=query).headers["ETag"]
        assert http.get("/v1/distances", params=query, headers={"If-None-Match": tag}).status_code == 304
        keep_distance(engine, "b0", "t0", float(len(str(query))), data_key=str(query))
        assert http.get("/v1/distances", params=query, headers={"If-None-Match": tag}).status_code == 200


CHANGES: dict[str, Callable[[httpx.Client, dict[str, str], Engine, dict], object]] = {
    "a distance": lambda http, tasks, engine, body: keep_distance(engine, "b0", "t0", 9.0),
    "a task": lambda http, tasks, engine, body: http.post("/v1/tasks", json=body | {"name": "c"}),
    "a deletion": lambda http, tasks, engine, body: delete_task(http, tasks["a"]),
    "a name": lambda http, tasks, engine, body: promote(engine, tasks["t"]),
}


def delete_task(http: httpx.Client, task_id: str) -> None:
    job_id = http.get(f"/v1/tasks/{task_id}").json()["job_id"]
    http.post(f"/v1/jobs/{job_id}/cancel")
    assert http.delete(f"/v1/tasks/{task_id}").status_code == 204


def promote(engine: Engine, task_id: str) -> None:
    with unit_of_work(engine) as registry:
        registry.tasks.promote(task_id, "promoted")


@pytest.mark.parametrize("quick", [True, False], ids=["at once", "in a thread"])
@pytest.mark.parametrize("change", [*CHANGES])
def test_a_kept_answer_is_sent_until_something_changes_in_whichever_process(
    http: httpx.Client,
    other_http: httpx.Client,
    other_app: FastAPI,
    tasks: dict[str, str],
    task_body: dict,
    change: str,
    quick: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not quick:
        monkeypatch.setattr(QuickReader, "ask_once", AsyncMock(return_value=None))
    made = counted_matrices(monkeypatch)
    first = [matrix_of(http) for _ in range(3)]
    assert (len(made), first[0]) == (1, first[2])
    CHANGES[change](other_http, tasks, other_app.state.resources.engine, task_body)
    second = [matrix_of(http) for _ in range(3)]
    assert len(made) == 2
    assert second[0] == second[2] != first[0]
    assert matrix_of(other_http) == second[0]


def test_kept_answers_are_those_asked_for_last_and_no_more_than_fit() -> None:
    kept = RenderedAnswers(kept_bytes=4 * ENTRY_BYTES)
    body = b"1" * ENTRY_BYTES  # the largest that is kept
    for asked in ("a", "b"):
        kept.keep(asked, "r1", Rendered(body, asked))
    assert kept.get("a", "r1") == Rendered(body, "a")
    kept.keep("c", "r1", Rendered(b"1", "c"))
    assert kept.get("b", "r1") is None, "b was not asked for as lately as a"
    assert kept.get("a", "r2") is None, "another revision"
    assert kept.get("a", "r1") is not None
    kept.keep("early", None, Rendered(b"1", "early"))
    assert kept.get("early", None) is None
    kept.keep("large", "r1", Rendered(body + b"1", "large"))
    assert kept.get("large", "r1") == Rendered(None, "large")
    assert kept.get("a", "r1") is not None
    kept.keep("a", "r2", Rendered(b"", "a"))
    assert (kept.get("c", "r1"), kept.get("a", "r1")) == (None, None)
    for number in range(9):
        kept.keep(number, "r1", Rendered(None, "t"))
    assert [number for number in range(9) if kept.get(number, "r1")] == [5, 6, 7, 8]


@pytest.mark.parametrize("quick", [True, False], ids=["at once", "in a thread"])
def test_of_a_large_answer_the_tag_is_kept(
    http: httpx.Client,
    app: FastAPI,
    tasks: dict[str, str],
    engine: Engine,
    quick: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not quick:
        monkeypatch.setattr(QuickReader, "ask_once", AsyncMock(return_value=None))
    app.state.resources = replace(app.state.resources, rendered=RenderedAnswers(kept_bytes=2 * ENTRY_BYTES))
    made = counted_matrices(monkeypatch)
    first = http.get("/v1/distances")
    known = {"If-None-Match": first.headers["ETag"]}
    assert (http.get("/v1/distances", headers=known).status_code, len(made)) == (304, 1)
    assert http.get("/v1/distances", headers={"If-None-Match": '"another"'}).content == first.content
    assert len(made) == 2
    keep_distance(engine, "b0", "t0", 9.0)
    assert http.get("/v1/distances", headers=known).status_code == 200


def test_an_answer_that_many_ask_for_at_once_is_made_once(
    http: httpx.Client, tasks: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = counted_matrices(monkeypatch, seconds=0.2)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: http.get("/v1/distances").content, range(4)))
    assert (len(made), len(set(answers))) == (1, 1)


def counted_matrices(monkeypatch: pytest.MonkeyPatch, seconds: float = 0.0) -> list[str]:
    """Grows with every matrix that is made from now on."""
    made: list[str] = []

    def counted(*arguments: Any, **options: Any) -> dict[str, Any]:
        made.append("a matrix")
        time.sleep(seconds)
        return real(*arguments, **options)

    real = distances.distance_matrix
    monkeypatch.setattr(distances, "distance_matrix", counted)
    return made


def test_a_media_type_that_is_not_offered_is_406(http: httpx.Client) -> None:
    answer = http.get("/v1/distances", headers={"Accept": "image/png"})
    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("text/*", "text/csv"),
        ("application/json;q=0.5, text/csv", "text/csv"),
        ("text/csv;q=0, */*", "application/json"),
        ("image/png, */*;q=0.1", "application/json"),
    ],
)
def test_the_most_wanted_type_of_those_offered_is_chosen(accept: str | None, expected: str) -> None:
    assert negotiated(accept, ("application/json", "text/csv")) == expected


def test_an_explicitly_unwanted_type_is_not_given() -> None:
    with pytest.raises(NotAcceptableError):
        negotiated("application/json;q=0, text/csv;q=x", ("application/json", "text/csv"))
