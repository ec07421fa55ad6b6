"""Who may do what: every route has its scope, and nothing behind the gate answers without it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import AsyncMock

import httpx
import pytest
from fastapi import FastAPI
from starlette.routing import BaseRoute, Route

from service.api.security.scopes import OPEN_PATHS, scope_of
from service.app import BODY_LIMIT_BYTES, create_app
from tests.service.conftest import InProcess
from worker.registry import Engine, Scope, reading, unit_of_work
from worker.settings import Settings

MakeKey = Callable[..., str]


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def operations(app: FastAPI) -> list[tuple[str, str]]:
    """Every method and path that the application serves, those of the framework included."""

    def walk(routes: list[BaseRoute]) -> Iterator[tuple[str, str]]:
        for route in routes:
            if isinstance(route, Route):
                yield from ((method, route.path) for method in sorted(route.methods or ()))

    framework = set(walk(app.routes))
    documented = {(method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods}
    return sorted(framework | documented)


def ask(http: httpx.Client, method: str, path: str, key: str | None = None) -> httpx.Response:
    concrete = "/".join("0" * 32 if part.startswith("{") else part for part in path.split("/"))
    return http.request(method, concrete, headers=bearer(key) if key else {})


def test_nothing_but_the_open_paths_answers_without_a_key(app: FastAPI, http: httpx.Client, make_key: MakeKey) -> None:
    make_key("admin")
    for method, path in operations(app):
        answer = ask(http, method, path)
        assert (answer.status_code == 401) == (path not in OPEN_PATHS), (method, path)
        if answer.status_code == 401 and method != "HEAD":
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["code"] == "no_key"
            assert answer.headers["WWW-Authenticate"] == 'Bearer realm="ldnas"'


def test_every_operation_is_refused_below_its_scope_and_let_through_from_there(
    app: FastAPI, http: httpx.Client, make_key: MakeKey
) -> None:
    keys = {scope: make_key(scope.value) for scope in Scope}
    for method, path in operations(app):
        needed = scope_of(method, path)
        if needed is None:
            continue
        for held, key in keys.items():
            answer = ask(http, method, path, key)
            assert answer.status_code != 401, (method, path)
            assert (answer.status_code == 403) != held.includes(needed), (method, path, held)
            if answer.status_code == 403:
                assert answer.json()["code"] == "scope_missing"
                assert f'scope="{needed}"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("GET", "/v1/tasks", "read"),
        ("GET", "/metrics", "read"),
        ("POST", "/v1/recommendations", "write"),
        ("POST", "/v1/jobs/{job_id}/cancel", "write"),
        ("DELETE", "/v1/recommendations/{recommendation_id}", "write"),
        ("DELETE", "/v1/tasks/{task_id}", "admin"),
        ("DELETE", "/v1/tasks", "write"),
        ("PUT", "/v1/anything/new", "write"),
        ("BREW", "/v1/tasks", "write"),
        ("POST", "/logout", "read"),
        ("GET", "/readyz", None),
        ("GET", "/readyz/", "read"),
        ("POST", "/login", None),
    ],
)
def test_the_scope_of_a_request(method: str, path: str, needed: str | None) -> None:
    assert scope_of(method, path) == needed


def test_the_document_names_each_operations_scope(app: FastAPI) -> None:
    document = app.openapi()
    assert set(document["components"]["securitySchemes"]) == {"key", "session"}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            scope = scope_of(method.upper(), path)
            expected = [] if scope is None else [{"key": [scope]}, {"session": [scope]}]
            assert operation["security"] == expected, (method, path)
            if scope is not None:
                assert {"401", "403"} <= set(operation["responses"]), (method, path)
                assert "WWW-Authenticate" in operation["responses"]["401"]["headers"]
    assert "429" in document["paths"]["/v1/recommendations"]["post"]["responses"]


@pytest.mark.parametrize("shown", ["Bearer ldnas_wrong", "Bearer", "Bearer ", "bearer \xe4", "Bearer  x y"])
def test_a_key_that_opens_nothing_is_distinguished_from_none(http: httpx.Client, make_key: MakeKey, shown: str) -> None:
    make_key("admin")
    answer = http.get("/v1/tasks", headers={"Authorization": shown.encode("latin-1")})
    assert (answer.status_code, answer.json()["code"]) == (401, "wrong_key")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_a_key_that_only_begins_like_one_opens_nothing(http: httpx.Client, make_key: MakeKey) -> None:
    key = make_key("admin")
    other = key[:-1] + ("a" if key[-1] != "a" else "b")
    assert http.get("/v1/tasks", headers=bearer(key)).status_code == 200
    assert http.get("/v1/tasks", headers=bearer(other)).status_code == 401
    assert http.get("/v1/tasks", headers=bearer(key[:14])).status_code == 401


def test_a_path_without_a_route_is_not_revealed_to_strangers(http: httpx.Client, make_key: MakeKey) -> None:
    key = make_key("read")
    assert http.get("/v2/secrets").status_code == 401
    assert http.get("/v2/secrets", headers=bearer(key)).status_code == 404


def test_a_service_without_keys_is_open_and_closes_with_the_first_one(
    http: httpx.Client, task_body: dict[str, Any], make_key: MakeKey
) -> None:
    posted = http.post("/v1/tasks", json=task_body, headers=bearer("of another service"))
    assert posted.status_code == 202
    key = make_key("read")
    assert http.get("/v1/tasks").status_code == 401
    assert http.get("/v1/tasks", headers=bearer(key)).status_code == 200


def test_a_key_that_another_process_revoked_opens_nothing_from_then_on(
    http: httpx.Client, other_app: FastAPI, make_key: MakeKey
) -> None:
    key = make_key("admin")
    assert http.get("/v1/tasks", headers=bearer(key)).status_code == 200
    with unit_of_work(other_app.state.resources.engine) as registry:
        registry.keys.revoke("admin")
    assert http.get("/v1/tasks", headers=bearer(key)).status_code == 401
    assert http.get("/v1/tasks").status_code == 401, "the last key that is revoked does not open the service"


@pytest.fixture
def reachable(settings: Settings) -> Iterator[httpx.Client]:
    """The application of a process that others can reach."""
    app = create_app(replace(settings, host="0.0.0.0"))
    with httpx.Client(transport=InProcess(app), base_url="http://ldnas.example.org") as client:
        yield client
    app.state.resources.engine.dispose()


def test_where_others_can_reach_it_the_service_is_never_open(reachable: httpx.Client, make_key: MakeKey) -> None:
    assert reachable.get("/v1/tasks").status_code == 401
    assert reachable.get("/healthz").status_code == 200
    assert reachable.get("/v1/tasks", headers=bearer(make_key("read"))).status_code == 200


def test_a_database_that_is_gone_closes_the_service(app: FastAPI, http: httpx.Client, make_key: MakeKey) -> None:
    key = make_key("admin")
    app.state.resources.engine.dispose()
    for path in app.state.resources.settings.home.glob("ldnas.sqlite3*"):
        path.unlink()
    for headers in ({}, bearer(key)):
        answer = http.get("/v1/jobs", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert "Retry-After" in answer.headers


def test_without_the_quick_way_everything_is_answered_alike(
    http: httpx.Client, make_key: MakeKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.registry.quick_reader.QuickReader.ask_once", AsyncMock(return_value=None))
    assert http.get("/v1/tasks").status_code == 200
    key = make_key("read")
    assert http.get("/v1/tasks").status_code == 401
    assert http.get("/v1/tasks", headers=bearer(key)).status_code == 200
    assert http.post("/v1/tasks", headers=bearer(key)).status_code == 403


def test_a_stranger_is_refused_before_the_body_is_looked_at(http: httpx.Client, make_key: MakeKey) -> None:
    make_key("admin")
    assert http.post("/v1/tasks", content=b" " * (BODY_LIMIT_BYTES + 1)).status_code == 401


def test_a_use_is_noted_and_an_attempt_is_not(http: httpx.Client, engine: Engine, make_key: MakeKey) -> None:
    key = make_key("read")

    def last_use() -> float | None:
        with reading(engine) as registry:
            return registry.keys.list()[0].last_used_at

    http.get("/v1/tasks", headers=bearer(key + "x"))
    assert last_use() is None
    http.get("/v1/tasks", headers=bearer(key))
    first = last_use()
    assert first is not None
    http.get("/v1/tasks", headers=bearer(key))
    assert last_use() == first


OWN = "http://service"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://service.evil.example", "http://[", "x"])
def test_another_sites_page_changes_nothing_though_the_service_is_open(http: httpx.Client, origin: str) -> None:
    path = f"/v1/jobs/{'0' * 32}/cancel"
    answer = http.post(path, headers={"Origin": origin})
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")
    # A password that a browser adds by itself makes it no better.
    assert http.post(path, headers={"Origin": origin, "Authorization": "Basic eDp5"}).status_code == 403
    assert http.post("/login", json={"key": "x"}, headers={"Origin": origin}).status_code == 403
    assert http.post(path, headers={"Origin": OWN}).status_code == 404
    assert http.post(path).status_code == 404
    assert http.get("/v1/jobs", headers={"Origin": origin}).status_code == 200


@pytest.mark.parametrize(
    ("host", "answered"),
    [
        ("127.0.0.1:8000", True),
        ("[::1]:8000", True),
        ("localhost", True),
        ("dashboard.localhost:8000", True),
        ("workstation", True),
        ("evil.example", False),
        ("evil.example.:8000", False),
        ("127.0.0.1.evil.example", False),
        ("[", False),
        ("[x]:1", False),
        ("[::1", False),
        ("a:b:c", True),
        ("", True),
    ],
)
def test_while_it_is_open_the_service_answers_to_no_public_name(
    http: httpx.Client, make_key: MakeKey, host: str, answered: bool
) -> None:
    assert http.get("/v1/jobs", headers={"Host": host}).status_code == (200 if answered else 403)
    key = make_key("read")
    assert http.get("/v1/jobs", headers={"Host": host, **bearer(key)}).status_code == 200
