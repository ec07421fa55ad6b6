"""HEAD answers as GET does, without the body."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.service.test_worker_routes import FACTS
from worker.registry import Engine, unit_of_work

CHANGING = {"x-request-id"}
WEIGHTS = b"weights" * 1000


@pytest.fixture
def ids(http: httpx.Client, task_body: dict, app: FastAPI, engine: Engine) -> dict[str, str]:
    """Something for every parameter of a path."""
    task = http.post("/v1/tasks", json=task_body).json()
    asked = http.post("/v1/recommendations", json={"dataset": task_body["dataset"]}).json()
    weights = app.state.resources.store.put(WEIGHTS)
    with unit_of_work(engine) as registry:
        registry.workers.beat(id="a" * 32, name="worker", **FACTS)  # /readyz waits for one
        architecture = registry.architectures.insert_once(
            recommendation_id=asked["id"],
            job_id=asked["job_id"],
            name="mine",
            class_names=["a", "b"],
            parameters=7,
            macs=11,
            genotype={"edges": [[0, 1, "identity"], [1, 2, "sep_conv_3x3"], [0, 2, "max_pool_3x3"]]},
            skeleton={"stem_channels": 16},
            preprocessing={},
            validation={},
            test={},
            **dict.fromkeys(("weights", "code", "program", "onnx", "card"), weights),
        )
    both = {"source": "odd_or_even", "target": "odd_or_even", "name": "none"}
    return both | {
        "task_id": task["id"],
        "job_id": task["job_id"],
        "recommendation_id": asked["id"],
        "architecture_id": architecture.id,
    }


def stable_headers(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in CHANGING}


def test_every_path_that_answers_get_answers_head_alike_without_the_body(
    http: httpx.Client, app: FastAPI, ids: dict[str, str]
) -> None:
    statuses = []
    for template, operations in app.openapi()["paths"].items():
        if "get" not in operations or "text/event-stream" in operations["get"]["responses"]["200"]["content"]:
            continue
        path = template.format(**ids)
        get, head = http.get(path), http.head(path)
        if template != "/metrics":  # which counts these very requests
            assert (head.status_code, stable_headers(head)) == (get.status_code, stable_headers(get)), path
            assert int(head.headers["content-length"]) == len(get.content), path
        statuses.append(head.status_code)
    assert statuses.count(200) >= 20


def sent_for(app: FastAPI, path: str) -> list[dict[str, Any]]:
    """The messages that the application hands to the server for HEAD; a client would drop a body by itself."""
    messages: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        messages.append(dict(message))

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    scope = {"type": "http", "method": "HEAD", "path": path, "query_string": b"", "client": ("127.0.0.1", 1)}
    asyncio.run(app({**scope, "headers": [(b"host", b"localhost")], "http_version": "1.1"}, receive, send))
    return messages


@pytest.mark.parametrize("file", ["", "/weights", "/code", "/graph"])
def test_no_byte_of_a_body_is_sent(app: FastAPI, ids: dict[str, str], file: str) -> None:
    start, *body = sent_for(app, f"/v1/architectures/{ids['architecture_id']}{file}")
    assert start["status"] == 200
    assert body == [{"type": "http.response.body", "body": b""}]


def test_a_stream_of_events_answers_no_head(http: httpx.Client, app: FastAPI, ids: dict[str, str]) -> None:
    streams = [
        template
        for template, operations in app.openapi()["paths"].items()
        if "text/event-stream"
        in operations.get("get", {"responses": {"200": {}}})["responses"]["200"].get("content", ())
    ]
    assert len(streams) == 2
    for template in streams:
        answer = http.head(template.format(**ids))
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")


def test_head_of_an_unchanged_resource_is_304(http: httpx.Client, ids: dict[str, str]) -> None:
    path = f"/v1/recommendations/{ids['recommendation_id']}"
    tag = http.head(path).headers["ETag"]
    assert http.head(path, headers={"If-None-Match": tag}).status_code == 304
    assert http.head(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_head_of_a_file_reads_none_of_it_and_knows_no_ranges(
    http: httpx.Client, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/v1/architectures/{ids['architecture_id']}/weights"
    assert http.get(path, headers={"Range": "bytes=0-1"}).content == b"we"
    monkeypatch.setattr("anyio.open_file", lambda *asked, **how: pytest.fail(f"{asked} was opened"))
    answer = http.head(path, headers={"Range": "bytes=0-1"})
    assert (answer.status_code, answer.headers["content-length"]) == (200, str(len(WEIGHTS)))


def test_what_answers_no_get_answers_no_head_and_says_so(http: httpx.Client, ids: dict[str, str]) -> None:
    assert http.head("/v1/nothing").status_code == 404
    answer = http.head("/logout")
    assert (answer.status_code, answer.headers["Allow"], answer.content) == (405, "POST", b"")
    assert http.delete("/v1/jobs").headers["Allow"] == "GET, HEAD"


def test_head_is_counted_by_its_route(http: httpx.Client, ids: dict[str, str]) -> None:
    http.head(f"/v1/jobs/{ids['job_id']}")
    assert 'ldnas_requests_total{method="HEAD",route="/v1/jobs/{job_id}",status="200"} 1.0' in http.get("/metrics").text
