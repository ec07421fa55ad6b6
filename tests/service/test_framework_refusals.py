"""The answer to a request that the framework itself refuses is a problem document too."""

import httpx
import pytest
from fastapi import FastAPI

from service.app import BODY_LIMIT_BYTES


def problem_of(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()) == {"type", "title", "status", "detail", "instance", "code", "errors"}
    assert answer.json()["status"] == answer.status_code
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/tasks", "GET, HEAD, POST"),
        ("DELETE", "/v1/recommendations", "GET, HEAD, POST"),
        ("PATCH", f"/v1/tasks/{'0' * 32}", "DELETE, GET, HEAD"),
        ("GET", f"/v1/recommendations/{'0' * 32}/cancel", "POST"),
        ("POST", "/healthz", "GET, HEAD"),
    ],
)
def test_another_method_is_405_with_every_method_that_is_allowed(
    http: httpx.Client, method: str, path: str, allowed: str
) -> None:
    answer = http.request(method, path)
    assert problem_of(answer) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == allowed


def test_a_path_that_is_not_there_is_404(http: httpx.Client) -> None:
    assert problem_of(http.get("/v2/tasks")) == (404, "not_found")


@pytest.mark.parametrize("content", [b'{"name": ', b"\xff\xfe", b""], ids=["cut short", "no UTF-8", "empty"])
def test_a_body_that_is_not_json_is_refused(http: httpx.Client, content: bytes) -> None:
    answer = http.post("/v1/tasks", content=content, headers={"Content-Type": "application/json"})
    status, code = problem_of(answer)
    assert (status, code) == ((422, "invalid_request") if content == b"" else (400, "malformed_json"))


def test_a_number_that_json_does_not_know_is_refused(http: httpx.Client) -> None:
    text = '{"name": "x", "dataset": {"uri": "builtin://digits"}, "epsilon": NaN}'
    answer = http.post("/v1/tasks", content=text, headers={"Content-Type": "application/json"})
    assert problem_of(answer) == (422, "invalid_request")


def test_a_body_that_is_not_declared_as_json_is_415(http: httpx.Client) -> None:
    answer = http.post("/v1/tasks", content=b"{}", headers={"Content-Type": "text/plain"})
    assert problem_of(answer) == (415, "unsupported_media_type")


def test_a_large_body_is_413_with_and_without_a_declared_length(http: httpx.Client) -> None:
    text = b" " * (BODY_LIMIT_BYTES + 1)
    json = {"Content-Type": "application/json"}
    assert problem_of(http.post("/v1/tasks", content=text, headers=json))[0] == 413
    announced = http.post("/v1/tasks", content=b"{}", headers=json | {"Content-Length": str(len(text))})
    assert problem_of(announced)[0] == 413
    chunked = http.build_request("POST", "/v1/tasks", content=text, headers=json)
    del chunked.headers["content-length"]
    assert problem_of(http.send(chunked))[0] == 413


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "after=x", "state=asleep"])
def test_a_bad_query_is_named(http: httpx.Client, query: str) -> None:
    answer = http.get(f"/v1/jobs?{query}")
    assert problem_of(answer) == (422, "invalid_request")
    assert answer.json()["errors"][0]["field"] == query.partition("=")[0]


def test_the_answer_to_a_bug_reveals_nothing_internal(app: FastAPI, http: httpx.Client) -> None:
    @app.get("/bug")
    def bug() -> None:
        raise KeyError("secret")

    answer = http.get("/bug")
    assert problem_of(answer) == (500, "internal")
    assert "secret" not in answer.text


def test_a_database_that_is_gone_is_503_and_says_when_to_come_back(app: FastAPI, http: httpx.Client) -> None:
    app.state.resources.settings.home.joinpath("ldnas.sqlite3").unlink()
    answer = http.get("/v1/tasks")
    assert problem_of(answer) == (503, "database_unavailable")
    assert "no such table" not in answer.text
    assert int(answer.headers["Retry-After"]) > 0
