"""Every request has an id: the client's where it is sane, in the answer, in the log, and with the job that it made."""

import logging
import re
from collections.abc import Callable

import httpx
import pytest
from fastapi import FastAPI

from worker.registry import Engine, reading

DRAWN = re.compile("[0-9a-f]{32}")


def lines(caplog: pytest.LogCaptureFixture) -> list[dict]:
    return [vars(record) for record in caplog.records if record.name == "service.requests"]


@pytest.fixture(autouse=True)
def informed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "service.requests")


def test_a_sane_id_is_kept_and_any_other_is_replaced(http: httpx.Client) -> None:
    assert http.get("/healthz", headers={"X-Request-Id": "order-17.b_c"}).headers["X-Request-Id"] == "order-17.b_c"
    for given in ("", "a b", "x" * 65, "a\tb", "é".encode("latin-1")):
        assert DRAWN.fullmatch(http.get("/healthz", headers={"X-Request-Id": given}).headers["X-Request-Id"])
    first, second = (http.get("/healthz").headers["X-Request-Id"] for _ in range(2))
    assert first != second


def test_refusals_and_bugs_have_an_id_too(app: FastAPI, http: httpx.Client, make_key: Callable[..., str]) -> None:
    def fault() -> None:
        raise LookupError

    app.add_api_route("/fault", fault)
    for path, status in (("/fault", 500), ("/nothing", 404)):
        answer = http.get(path, headers={"X-Request-Id": "mine"})
        assert (answer.status_code, answer.headers["X-Request-Id"]) == (status, "mine")
    make_key("admin")
    answer = http.get("/v1/tasks", headers={"X-Request-Id": "mine"})
    assert (answer.status_code, answer.headers["X-Request-Id"]) == (401, "mine")


def test_a_request_is_logged_in_one_line_with_the_start_of_its_key(
    http: httpx.Client, make_key: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    key = make_key("read")
    http.get(f"/v1/jobs/{'0' * 32}?secret=1", headers={"Authorization": f"Bearer {key}", "X-Request-Id": "mine"})
    [line] = lines(caplog)
    logged = {name: line[name] for name in ("method", "route", "status", "key")}
    assert logged == {"method": "GET", "route": "/v1/jobs/{job_id}", "status": 404, "key": key[:14]}
    assert 0 < line["seconds"] < 60
    assert line["message"] == f"GET /v1/jobs/{'0' * 32} 404"
    assert key not in str(line)
    assert "secret" not in str(line["message"])


def test_a_key_that_opens_nothing_is_not_logged(
    http: httpx.Client, make_key: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    make_key("read")
    http.get("/v1/tasks", headers={"Authorization": "Bearer hunter2hunter2hunter2hunter2hunter2"})
    [line] = lines(caplog)
    assert (line["status"], line["key"]) == (401, None)
    assert "hunter2" not in str(line)


def test_probes_are_logged_only_where_they_fail(
    http: httpx.Client, worker_listed: None, caplog: pytest.LogCaptureFixture
) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert http.get(path).status_code == 200
    assert lines(caplog) == []


def test_a_job_knows_the_request_that_made_it(http: httpx.Client, engine: Engine, task_body: dict) -> None:
    answer = http.post("/v1/tasks", json=task_body, headers={"X-Request-Id": "mine"})
    with reading(engine) as registry:
        assert registry.jobs.get(answer.json()["job_id"]).request_id == "mine"
