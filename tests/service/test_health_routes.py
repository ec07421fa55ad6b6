"""Liveness and readiness of the process."""

import httpx
from fastapi import FastAPI


def test_a_process_with_a_migrated_database_is_ready(http: httpx.Client) -> None:
    assert http.get("/healthz").json() == {"status": "ok"}
    assert http.get("/readyz").json() == {"status": "ready"}


def test_without_its_schema_it_lives_but_is_not_ready(http: httpx.Client, app: FastAPI) -> None:
    app.state.resources.settings.home.joinpath("ldnas.sqlite3").unlink()
    assert http.get("/healthz").status_code == 200
    answer = http.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")


def test_without_its_database_it_lives_but_is_not_ready(http: httpx.Client, app: FastAPI) -> None:
    database = app.state.resources.settings.home / "ldnas.sqlite3"
    database.unlink()
    database.mkdir()
    assert http.get("/healthz").status_code == 200
    assert http.get("/readyz").json()["code"] == "database_unavailable"
