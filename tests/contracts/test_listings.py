"""The lists of the API: one query for a page of any length, with the lines that a session reads, as they are now."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import delete, event

from benchmarks import service_store as store
from service.api.polling import polls
from service.api.serializers import architecture_document, job_summary, recommendation_summary, task_summary
from tests.service.conftest import InProcess
from worker.registry import Engine, JobState, QuickReader, RecommendationRow, Registry, reading, unit_of_work

LISTS = ("/v1/recommendations", "/v1/jobs", "/v1/tasks", "/v1/architectures")


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy this machine is."""
    monkeypatch.setattr("worker.registry.quick_reader.PATIENCE_SECONDS", 60.0)


@pytest.fixture
def engine(app: FastAPI) -> Engine:
    engine: Engine = app.state.resources.engine
    return engine


@pytest.fixture
def filled(engine: Engine) -> store.Filled:
    return store.fill(engine, store.Size(tasks=60, ended=220))


@pytest.fixture
def http(app: FastAPI, filled: store.Filled) -> Iterator[httpx.Client]:
    with httpx.Client(transport=InProcess(app), base_url="http://service") as client:
        yield client


@pytest.fixture
def queries(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows with every query, by the quick reader or in a session, but those that authenticate."""
    seen: list[str] = []
    ask_once = QuickReader.ask_once

    def note(query: str) -> None:
        if "api_keys" not in query:
            seen.append(query)

    async def noted(reader: QuickReader, question: Any, **parameters: Any) -> Any:
        note(str(question))
        return await ask_once(reader, question, **parameters)

    monkeypatch.setattr(QuickReader, "ask_once", noted)
    event.listen(engine, "before_cursor_execute", lambda *about: note(about[2]))
    return seen


@pytest.mark.parametrize("path", LISTS)
def test_a_page_of_fifty_lines_takes_as_many_queries_as_one_of_one_line(
    http: httpx.Client, queries: list[str], path: str
) -> None:
    asked = []
    for limit in (1, 50):
        queries.clear()
        assert len(http.get(path, params={"limit": limit}).json()["items"]) == limit
        asked.append(len(queries))
    assert asked == [1, 1]


@pytest.mark.parametrize("path", ["/", "/compare", "/recommendations"])
def test_a_page_of_the_dashboard_takes_as_many_queries_for_many_recommendations_as_for_one(
    http: httpx.Client, queries: list[str], engine: Engine, filled: store.Filled, path: str
) -> None:
    asked = []
    for remaining in (len(filled.recommendations), 1):
        if remaining == 1:
            with engine.begin() as connection:
                connection.execute(delete(RecommendationRow).where(RecommendationRow.id != filled.recommendations[-1]))
        queries.clear()
        page = http.get(path, headers={"Accept": "text/html"})
        assert page.status_code == 200
        assert filled.recommendations[-1] in page.text
        asked.append(len(queries))
    assert asked[0] == asked[1]


def expected(registry: Registry, path: str) -> list[dict[str, Any]]:
    """All lines, each made of whole rows."""
    if path == "/v1/recommendations":
        rows = registry.recommendations.list(limit=500)
        return [recommendation_summary(row, registry.jobs.get(row.job_id)).json for row in rows]
    if path == "/v1/jobs":
        return [job_summary(row).json for row in registry.jobs.list(limit=500)]
    if path == "/v1/tasks":
        return [task_summary(row.task, row.state.value).json for row in registry.tasks.list(limit=500)]
    return [architecture_document(row).json for row in registry.architectures.list(limit=500)]


@pytest.mark.parametrize("path", LISTS)
def test_the_pages_have_every_line_once_as_a_session_reads_it(http: httpx.Client, engine: Engine, path: str) -> None:
    items, after = [], None
    while True:
        page = http.get(path, params={"limit": 70} | ({} if after is None else {"after": after})).json()
        items += page["items"]
        after = page["next"]
        if after is None:
            break
    with reading(engine) as registry:
        assert items == expected(registry, path)


def test_a_filter_applies_to_every_page(http: httpx.Client, engine: Engine) -> None:
    for query, state, kind in (
        ("state=failed", JobState.FAILED, None),
        ("kind=register_task", None, "register_task"),
        ("state=succeeded&kind=recommend", JobState.SUCCEEDED, "recommend"),
    ):
        with reading(engine) as registry:
            all_ids = [job.id for job in registry.jobs.list(state=state, kind=kind, limit=500)]
        assert len(all_ids) > 2
        first = http.get(f"/v1/jobs?{query}&limit=2").json()
        rest = http.get(f"/v1/jobs?{query}&limit=200&after={first['next']}").json()
        assert [item["id"] for item in first["items"] + rest["items"]] == all_ids
    assert len(http.get("/v1/tasks?role=baseline&limit=200").json()["items"]) == 60
    assert http.get("/v1/tasks?role=target").json() == {"items": [], "next": None}


def test_a_list_shows_every_change_at_once_and_is_made_again_only_then(
    http: httpx.Client, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    real = polls._page
    monkeypatch.setattr(polls, "_page", lambda *about: made.append(about) or real(*about))
    assert [http.get("/v1/jobs").status_code for _ in range(3)] == [200] * 3
    assert len(made) == 1
    with unit_of_work(engine) as registry:
        job_id = registry.jobs.insert("recommend", {}).id
    assert http.get("/v1/jobs").json()["items"][0] | {"state": "queued"} == http.get(f"/v1/jobs/{job_id}").json()
    with unit_of_work(engine) as registry:
        registry.jobs.request_cancel(job_id)
    assert [http.get("/v1/jobs").json()["items"][0]["state"] for _ in range(2)] == ["cancelled", "cancelled"]
    assert len(made) == 3
