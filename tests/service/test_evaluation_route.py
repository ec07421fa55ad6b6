"""The evaluation of the recommended network on the test images: counts, recalls and errors."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from ldnas.intervals import wilson_interval
from worker.registry import Engine, unit_of_work

PREDICTIONS = {
    "labels": [0, 0, 0, 1, 1],
    "predictions": [0, 1, 2, 1, 0],
    "probabilities": [0.9, 0.5, 0.8, 0.7, 0.6],
}


@pytest.fixture
def evaluated(http: httpx.Client, task_body: dict, app: FastAPI, engine: Engine) -> Callable[[dict[str, Any]], str]:
    """A recommendation whose worker kept these predictions; the path of its evaluation."""

    def evaluate(predictions: dict[str, Any], **test: Any) -> str:
        asked = http.post("/v1/recommendations", json=task_body).json()
        digest = app.state.resources.store.put(json.dumps(predictions).encode())
        parts = {"target": {"classes": ["a", "b", "c"]}, "test": {"predictions": digest, **test}}
        with unit_of_work(engine) as registry:
            job = registry.leases.claim(asked["job_id"], worker="w", lease_seconds=60)
            assert job is not None
            registry.recommendations.merge_document(asked["id"], job.id, job.attempt, parts)
        return f"/v1/recommendations/{asked['id']}/evaluation"

    return evaluate


def test_images_are_counted_by_class_and_the_most_confident_errors_come_first(http: httpx.Client, evaluated) -> None:
    path = evaluated(PREDICTIONS)
    answer = http.get(path).json()
    assert (answer["classes"], answer["images"], answer["wrong"]) == (["a", "b", "c"], 5, 3)
    assert answer["confusion"] == [[1, 1, 1], [1, 1, 0], [0, 0, 0]]
    a, b, c = answer["recall"]
    assert a == {"name": "a", "images": 3, "recall": 1 / 3, "interval": list(wilson_interval(1 / 3, 3))}
    assert (b["images"], b["recall"]) == (2, 0.5)
    assert c == {"name": "c", "images": 0, "recall": None, "interval": None}
    assert answer["errors"] == [
        {"position": 2, "true": "a", "predicted": "c", "probability": 0.8, "place": None},
        {"position": 4, "true": "b", "predicted": "a", "probability": 0.6, "place": None},
        {"position": 1, "true": "a", "predicted": "b", "probability": 0.5, "place": None},
    ]
    assert answer["sheet"] is None
    tag = http.get(path).headers["ETag"]
    assert http.get(path, headers={"If-None-Match": tag}).status_code == 304


def test_at_most_a_thousand_errors_are_listed_and_all_are_counted(http: httpx.Client, evaluated) -> None:
    answer = http.get(evaluated({"labels": [0] * 1001, "predictions": [1] * 1001})).json()
    assert (len(answer["errors"]), answer["wrong"]) == (1000, 1001)
    first = {"position": 0, "true": "a", "predicted": "b", "probability": None, "place": None}
    assert answer["errors"][0] == first


def test_the_picture_of_the_errors_has_a_place_for_each(http: httpx.Client, app: FastAPI, evaluated) -> None:
    digest = app.state.resources.store.put(b"picture")
    path = evaluated(PREDICTIONS, error_sheet={"artifact": digest, "positions": [2, 4], "columns": 8})
    answer = http.get(path).json()
    assert [error["place"] for error in answer["errors"]] == [0, 1, None]
    assert answer["sheet"] == {"path": path.replace("evaluation", "errors.png"), "images": 2, "columns": 8}
    picture = http.get(answer["sheet"]["path"])
    assert (picture.content, picture.headers["content-type"]) == (b"picture", "image/png")
    tag = {"If-None-Match": picture.headers["ETag"]}
    assert http.get(answer["sheet"]["path"], headers=tag).status_code == 304
    app.state.resources.store.drop(digest)
    assert http.get(answer["sheet"]["path"]).json()["code"] == "missing_artifact"


@pytest.mark.parametrize("sheet", [{}, {"error_sheet": {"artifact": None, "positions": [], "columns": 8}}])
def test_an_answer_without_a_picture_says_so(http: httpx.Client, evaluated, sheet: dict[str, Any]) -> None:
    path = evaluated(PREDICTIONS, **sheet)
    assert http.get(path).json()["sheet"] is None
    refusal = http.get(path.replace("evaluation", "errors.png"))
    assert (refusal.status_code, refusal.json()["code"]) == (404, "no_error_sheet")


def test_each_missing_part_has_its_own_code(http: httpx.Client, task_body: dict, app: FastAPI, evaluated) -> None:
    asked = http.post("/v1/recommendations", json=task_body).json()
    early = http.get(f"/v1/recommendations/{asked['id']}/evaluation")
    assert (early.status_code, early.json()["code"]) == (404, "not_evaluated")
    early = http.get(f"/v1/recommendations/{asked['id']}/errors.png")
    assert (early.status_code, early.json()["code"]) == (404, "not_evaluated")
    unknown = http.get(f"/v1/recommendations/{'0' * 32}/evaluation")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    path = evaluated(PREDICTIONS)
    store = app.state.resources.store
    store.path(store.put(json.dumps(PREDICTIONS).encode())).unlink()
    gone = http.get(path)
    assert (gone.status_code, gone.json()["code"]) == (404, "missing_artifact")
