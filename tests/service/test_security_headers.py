"""The security headers of every answer."""

from collections.abc import Callable

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from service.app import BODY_LIMIT_BYTES

JSON = {"Content-Type": "application/json"}


def check(answer: httpx.Response) -> None:
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"]


@pytest.mark.parametrize("path", ["/healthz", "/v1/tasks", "/v1/distances", "/v2/nothing", "/docs", "/openapi.json"])
def test_answers_and_refusals_have_them(http: httpx.Client, path: str) -> None:
    check(http.get(path))


def test_refusals_of_the_gate_and_of_the_limit_have_them(http: httpx.Client, make_key: Callable[..., str]) -> None:
    key = make_key("write")
    stranger = http.get("/v1/tasks")
    large = http.post("/v1/tasks", content=b" " * (BODY_LIMIT_BYTES + 1), headers={"Authorization": f"Bearer {key}"})
    assert (stranger.status_code, large.status_code) == (401, 413)
    check(stranger)
    check(large)


def test_a_bug_has_them_too(app: FastAPI, http: httpx.Client) -> None:
    @app.get("/bug")
    def bug() -> None:
        raise KeyError("secret")

    answer = http.get("/bug")
    assert answer.status_code == 500
    check(answer)


def test_a_page_may_use_its_own_scripts_and_data_may_use_nothing(app: FastAPI, http: httpx.Client) -> None:
    @app.get("/page", response_class=HTMLResponse)
    def page() -> str:
        return "<!doctype html>"

    check(http.get("/page"))
    assert "script-src 'self'" in http.get("/page").headers["Content-Security-Policy"]
    assert "script-src" not in http.get("/v1/tasks").headers["Content-Security-Policy"]


def test_what_a_route_says_itself_is_left_alone(http: httpx.Client, app: FastAPI) -> None:
    polled = http.get("/v1/distances")
    assert polled.headers["Cache-Control"] == "no-cache"
    assert http.get("/v1/tasks").headers["Cache-Control"] == "no-store"
