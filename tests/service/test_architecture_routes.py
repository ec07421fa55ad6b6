"""Finished architectures: their documents and their files."""

import httpx
import pytest
from fastapi import FastAPI

from worker.registry.session import Engine, unit_of_work


@pytest.fixture
def architecture(http: httpx.Client, task_body: dict, app: FastAPI, engine: Engine) -> str:
    asked = http.post("/v1/recommendations", json=task_body).json()
    store = app.state.resources.store
    with unit_of_work(engine) as registry:
        return registry.architectures.insert_once(
            recommendation_id=asked["id"],
            job_id=asked["job_id"],
            name="mine",
            genotype={"edges": []},
            skeleton={"stem_channels": 16},
            class_names=["a", "b"],
            preprocessing={"image_size": 16},
            parameters=7,
            macs=11,
            validation={"accuracy": 0.9},
            test={"accuracy": 0.8},
            weights=store.put(b"weights"),
            code=store.put(b"print('code')\n"),
        ).id


def test_an_architecture_tells_where_its_files_lie(http: httpx.Client, architecture: str) -> None:
    document = http.get(f"/v1/architectures/{architecture}").json()
    assert http.get("/v1/architectures").json()["items"] == [document]
    code, weights = http.get(document["code"]), http.get(document["weights"])
    assert code.text == "print('code')\n"
    assert code.headers["content-type"].startswith("text/x-python")
    assert f'filename="{architecture}.py"' in code.headers["content-disposition"]
    assert weights.content == b"weights"
    assert weights.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize("file", ["code", "weights"])
def test_a_file_never_changes_and_costs_a_304_the_second_time(http: httpx.Client, architecture: str, file: str) -> None:
    path = f"/v1/architectures/{architecture}/{file}"
    tag = http.get(path).headers["ETag"]
    assert http.get(path, headers={"If-None-Match": tag}).status_code == 304


def test_a_file_that_is_gone_is_said_to_be(http: httpx.Client, architecture: str, app: FastAPI) -> None:
    store = app.state.resources.store
    store.path(store.put(b"weights")).unlink()
    answer = http.get(f"/v1/architectures/{architecture}/weights")
    assert (answer.status_code, answer.json()["code"]) == (404, "missing_artifact")


@pytest.mark.parametrize("tail", ["", "/code", "/weights"])
def test_what_is_no_architecture_is_not_found(http: httpx.Client, tail: str) -> None:
    assert http.get(f"/v1/architectures/{'0' * 32}{tail}").status_code == 404
