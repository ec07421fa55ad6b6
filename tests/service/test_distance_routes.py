"""The matrix of distances, as JSON and as CSV."""

import csv
import io

import httpx
import pytest

from ldnas.recipe import DEFAULT_RECIPE
from service.errors import NotAcceptableError
from service.http.negotiation import negotiated
from worker.registry.session import Engine, unit_of_work


@pytest.fixture
def tasks(http: httpx.Client, task_body: dict, engine: Engine) -> dict[str, str]:
    """Two baselines and a target: "a" to "b" measured twice, "a" to the target once, and nothing else."""
    ids = {name: http.post("/v1/tasks", json=task_body | {"name": name}).json()["id"] for name in ("a", "b")}
    ids["t"] = http.post("/v1/recommendations", json=task_body | {"name": "t"}).json()["target"]["task_id"]
    with unit_of_work(engine) as registry:
        for name, id in ids.items():
            for repetition in range(2):
                registry.results.keep_network(
                    key=f"{name}{repetition}",
                    architecture="small_cnn",
                    seed=repetition,
                    classes=2,
                    weights="w",
                    parameters=7,
                    validation_accuracy=0.9,
                    validation_balanced_accuracy=0.9,
                    seconds=1.0,
                )
                registry.tasks.link_network(id, repetition, f"{name}{repetition}")
        for source, target, value in (("a0", "b0", 1.0), ("a1", "b1", 2.0), ("a0", "t0", 0.5)):
            registry.results.keep_distances(
                [
                    {
                        "source_network": source,
                        "target_network": target,
                        "data_key": "d",
                        "measure": "log_det_layerwise",
                        "recipe_digest": DEFAULT_RECIPE.digest,
                        "value": value,
                        "signed": -value,
                    }
                ]
            )
    return ids


def test_rows_are_sources_and_columns_targets_and_the_unmeasured_is_null(
    http: httpx.Client, tasks: dict[str, str]
) -> None:
    matrix = http.get("/v1/distances").json()
    assert matrix["measure"] == "log_det_layerwise"
    assert matrix["tasks"] == [{"id": tasks[name], "name": name} for name in ("a", "b", "t")]
    assert matrix["mean"] == [[None, 1.5, 0.5], [None] * 3, [None] * 3]
    assert matrix["std"] == [[None, pytest.approx(0.5**0.5), None], [None] * 3, [None] * 3]
    assert matrix["repetitions"] == [[None, 2, 1], [None] * 3, [None] * 3]


def test_another_measure_was_not_measured(http: httpx.Client, tasks: dict[str, str]) -> None:
    matrix = http.get("/v1/distances", params={"measure": "log_det"}).json()
    assert [task["name"] for task in matrix["tasks"]] == ["a", "b"]
    assert matrix["mean"] == [[None, None], [None, None]]


def test_a_filter_by_name_or_id_leaves_what_it_touches(http: httpx.Client, tasks: dict[str, str]) -> None:
    def names(**query: str) -> list[str]:
        return [task["name"] for task in http.get("/v1/distances", params=query).json()["tasks"]]

    assert names(target="t") == ["a", "t"]
    assert names(target=tasks["t"]) == ["a", "t"]
    assert names(source="a", target="b") == ["a", "b"]
    assert names(source="b") == ["b"]


def test_a_filter_that_names_nothing_is_404(http: httpx.Client, tasks: dict[str, str]) -> None:
    answer = http.get("/v1/distances", params={"source": "nowhere"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_csv_has_one_line_for_each_measured_pair(http: httpx.Client, tasks: dict[str, str]) -> None:
    wanted = http.get("/v1/distances", headers={"Accept": "text/csv"})
    assert wanted.headers["content-type"].startswith("text/csv")
    assert wanted.text == http.get("/v1/distances", params={"format": "csv"}).text
    rows = list(csv.DictReader(io.StringIO(wanted.text)))
    assert [(row["source"], row["target"], row["mean"], row["repetitions"]) for row in rows] == [
        ("a", "b", "1.5", "2"),
        ("a", "t", "0.5", "1"),
    ]
    assert rows[1]["std"] == ""


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
def test_the_most_wanted_of_what_is_offered_is_chosen(accept: str | None, expected: str) -> None:
    assert negotiated(accept, ("application/json", "text/csv")) == expected


def test_what_is_explicitly_not_wanted_is_not_given() -> None:
    with pytest.raises(NotAcceptableError):
        negotiated("application/json;q=0, text/csv;q=x", ("application/json", "text/csv"))
