"""A request that cannot get a lock in time is answered, and says when to come back."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import make_url, text

from service.app import create_app
from tests.contracts.conftest import create_database
from tests.contracts.jobs import queue_job
from tests.service.conftest import InProcess
from worker.registry import Engine, new_id, open_engine
from worker.settings import Settings


@pytest.fixture
def url(postgresql_url: str, migrated_postgresql: str) -> str:
    """A migrated PostgreSQL database, and in its URL a shorter wait for locks."""
    database = make_url(create_database(postgresql_url, f"test_{new_id()}", migrated_postgresql))
    return database.update_query_dict({"options": "-c lock_timeout=1s"}).render_as_string(hide_password=False)


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    opened = open_engine(url)
    yield opened
    opened.dispose()


@pytest.fixture
def http(url: str, tmp_path: Path) -> Iterator[httpx.Client]:
    app = create_app(Settings.from_environment({"LDNAS_HOME": str(tmp_path), "LDNAS_DATABASE_URL": url}))
    with httpx.Client(transport=InProcess(app), base_url="http://service") as client:
        yield client
    app.state.resources.engine.dispose()


def test_a_request_that_gets_no_lock_in_time_is_asked_to_come_back(engine: Engine, http: httpx.Client) -> None:
    job_id = queue_job(engine)
    with engine.connect() as other:
        other.execute(text("SELECT id FROM jobs WHERE id = :id FOR UPDATE"), {"id": job_id})
        began = time.monotonic()
        answer = http.post(f"/v1/jobs/{job_id}/cancel")
        assert time.monotonic() - began < 8
        other.rollback()
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert http.post(f"/v1/jobs/{job_id}/cancel").status_code == 202
