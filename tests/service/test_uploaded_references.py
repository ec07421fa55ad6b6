"""`dataset://NAME` in every request that names data."""

import io
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from safetensors.numpy import save as save_safetensors

from worker.registry import Engine, JobState, unit_of_work

STRIPES = {"dataset": {"uri": "dataset://stripes"}}
WEIGHTS = save_safetensors({"head.weight": np.zeros((2, 3), np.float32)})


@pytest.fixture
def stripes(http: httpx.Client, stripes_zip: bytes) -> dict[str, Any]:
    answer = http.put("/v1/datasets/stripes", content=stripes_zip)
    assert answer.status_code == 201
    document: dict[str, Any] = answer.json()
    return document


@pytest.fixture
def architecture(http: httpx.Client, engine: Engine) -> str:
    asked = http.post("/v1/recommendations", json={"dataset": {"uri": "builtin://digits"}}).json()
    documents: dict[str, Any] = {name: {} for name in ("genotype", "validation", "test")}
    files = {file: file for file in ("weights", "code", "program", "onnx", "card")}
    with unit_of_work(engine) as registry:
        return registry.architectures.insert_once(
            recommendation_id=asked["id"],
            job_id=asked["job_id"],
            name="mine",
            skeleton={"image_size": 24},
            preprocessing={"image_size": 24},
            class_names=["a", "b"],
            parameters=7,
            macs=11,
            **documents,
            **files,
        ).id


def paths(architecture: str) -> dict[str, dict[str, Any]]:
    return {
        "/v1/tasks": {"name": "stripes"},
        "/v1/recommendations": {},
        f"/v1/architectures/{architecture}/train": {"name": "again"},
    }


def test_every_request_takes_uploaded_data(http: httpx.Client, stripes: dict, architecture: str) -> None:
    for path, body in paths(architecture).items():
        answer = http.post(path, json=body | STRIPES)
        assert answer.status_code == 202, answer.text


def test_an_unknown_name_is_refused_at_once_and_the_known_ones_are_listed(
    http: httpx.Client, stripes: dict, architecture: str
) -> None:
    for path, body in paths(architecture).items():
        answer = http.post(path, json=body | {"dataset": {"uri": "dataset://striped"}})
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (422, "dataset_not_found")
        assert problem["errors"][0]["field"] == "dataset.uri"
        assert "uploaded datasets: stripes" in problem["detail"]
    # There is the task of the recommendation that the architecture came from, and nothing else.
    assert len(http.get("/v1/tasks").json()["items"]) == len(http.get("/v1/jobs").json()["items"]) == 1


def test_weights_are_not_images(http: httpx.Client, architecture: str) -> None:
    assert http.put("/v1/datasets/weights", content=WEIGHTS).status_code == 201
    for path, body in paths(architecture).items():
        problem = http.post(path, json=body | {"dataset": {"uri": "dataset://weights"}}).json()
        assert (problem["status"], problem["code"]) == (422, "unreadable_dataset")
        assert "weights of a network, not images" in problem["detail"]


def test_a_column_of_a_file_without_columns_is_refused(http: httpx.Client, stripes: dict) -> None:
    body = {"name": "a", "dataset": {"uri": "dataset://stripes", "label_column": "kind"}}
    problem = http.post("/v1/tasks", json=body).json()
    assert (problem["status"], problem["errors"][0]["field"]) == (422, "dataset.label_column")


def test_a_dataset_is_kept_for_as_long_as_a_task_refers_to_it(
    http: httpx.Client, stripes: dict, engine: Engine
) -> None:
    tasks = [http.post("/v1/tasks", json={"name": name} | STRIPES).json() for name in ("first", "second")]
    refused = http.delete("/v1/datasets/stripes")
    assert (refused.status_code, refused.json()["code"]) == (409, "dataset_in_use")
    assert "'first', 'second'" in refused.json()["detail"]
    for task in tasks:
        with unit_of_work(engine) as registry:
            job = registry.leases.claim(task["job_id"], worker="w", lease_seconds=60)
            assert job is not None
            registry.leases.fail(
                job.id, job.attempt, {"code": "internal", "detail": "x", "field": None, "origin": None}
            )
        assert http.get(f"/v1/jobs/{task['job_id']}").json()["state"] == JobState.FAILED
        assert http.delete("/v1/datasets/stripes").status_code == 409
        assert http.delete(f"/v1/tasks/{task['id']}").status_code == 204
    assert http.delete("/v1/datasets/stripes").status_code == 204


def test_a_file_without_the_usual_columns_is_read_by_those_that_came_with_it(http: httpx.Client) -> None:
    content, cells = io.BytesIO(), []
    for number in range(20):
        png = io.BytesIO()
        Image.fromarray(np.full((4, 4), number, np.uint8)).save(png, "PNG")
        cells.append({"bytes": png.getvalue(), "path": None})
    pq.write_table(pa.table({"scan": cells, "finding": [number % 2 for number in range(20)]}), content)
    assert http.put("/v1/datasets/scans", content=content.getvalue()).status_code == 422
    answer = http.put("/v1/datasets/scans?label_column=finding", content=content.getvalue())
    assert (answer.status_code, answer.json()["columns"]) == (201, {"label_column": "finding"})
