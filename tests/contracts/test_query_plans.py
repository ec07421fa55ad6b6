"""Every question that a GET route asks the database is answered from an index, whatever is filtered and paged."""

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any
from unittest.mock import AsyncMock

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import event

from benchmarks import service_store as store
from tests.service.conftest import InProcess
from worker.registry import Engine, QuickReader

Asked = dict[str, tuple[str, Any]]

FEW_ROWS = frozenset(
    {
        *("workers", "api_keys", "browser_sessions", "tallies", "revisions", "alembic_version"),
        *("tally_deltas", "counted"),  # folded every minute; both tables of tallies together
    }
)
"""Tables that stay small however long the service runs: processes, people, kinds of things that happen."""

STREAMS = re.compile("/events$")
NO_INDEX = {
    "sqlite": re.compile(r"SCAN (?!CONSTANT ROW)(\w+)\b(?! USING)"),
    "postgresql": re.compile(r"Seq Scan on (\w+)"),
}
PAGE = re.compile(r"ORDER BY \w+\.created_at DESC, \w+\.id DESC\s+LIMIT")
SORTS = {"sqlite": "USE TEMP B-TREE FOR", "postgresql": "Sort"}


@pytest.fixture
def calls(app: FastAPI) -> list[str]:
    """Every GET with every combination of its filters, from the first page and from a later one."""
    filled = store.fill(app.state.resources.engine, store.Size(tasks=6, repetitions=2, ended=220))
    known = {
        "task_id": filled.tasks[1],
        "source": filled.tasks[1],
        "target": filled.tasks[2],
        "recommendation_id": filled.recommendations[5],
        "job_id": filled.jobs[5],
        "architecture_id": filled.architectures[5],
        "measure": store.MEASURE,
    }
    later = {
        "/v1/tasks": filled.tasks[3],
        "/v1/jobs": filled.jobs[100],
        "/v1/recommendations": filled.recommendations[100],
        "/v1/architectures": filled.architectures[100],
    }
    return [
        call
        for path, operations in app.openapi()["paths"].items()
        if "get" in operations and not STREAMS.search(path)
        for call in _calls(path, operations["get"].get("parameters", []), known | {"after": later.get(path, "0" * 32)})
    ]


def _calls(path: str, parameters: Sequence[dict[str, Any]], known: dict[str, str]) -> Iterator[str]:
    filled_in = re.sub(r"\{(\w+)\}", lambda name: known.get(name[1], "0" * 32), path)
    queries = {item["name"]: _values(item, known) for item in parameters if item["in"] == "query"}
    for values in itertools.product(*queries.values()):
        given = {name: value for name, value in zip(queries, values, strict=True) if value is not None}
        yield str(httpx.URL(filled_in, params=given))


def _values(parameter: dict[str, Any], known: dict[str, str]) -> list[str | None]:
    """None, for leaving it out, and one value; of a choice two, for it may be a filter."""
    if parameter["name"] in known:
        return [None, known[parameter["name"]]]
    schemas = parameter["schema"].get("anyOf", [parameter["schema"]])
    choices = [choice for schema in schemas for choice in schema.get("enum", [])]
    return [None, *choices[:2]]


def asked_of(engine: Engine, http: httpx.Client, calls: Sequence[str]) -> Asked:
    """Each statement that the calls made, with one set of its parameters."""
    asked: Asked = {}

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            asked.setdefault(statement, (calling, parameters))

    event.listen(engine, "before_cursor_execute", note)
    for calling in calls:
        answer = http.get(calling)
        assert answer.status_code < 500, f"{calling}: {answer.text}"
    event.remove(engine, "before_cursor_execute", note)
    return asked


def plans_of(engine: Engine, asked: Asked) -> dict[str, str]:
    """How the database goes about each statement, by that and the call that made it."""
    explain = {"sqlite": "EXPLAIN QUERY PLAN ", "postgresql": "EXPLAIN "}[engine.dialect.name]
    plans = {}
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            # So that what a small table has no index for shows as in a large one.
            for way in ("enable_seqscan", "enable_sort"):
                connection.exec_driver_sql(f"SET {way} = off")
        for statement, (call, parameters) in asked.items():
            lines = connection.exec_driver_sql(explain + statement, parameters).all()
            plans[f"{call}\n{statement}"] = "\n".join(str(line[-1]) for line in lines)
    return plans


def test_every_question_of_every_get_uses_an_index(
    app: FastAPI, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QuickReader, "ask_once", AsyncMock(return_value=None))  # all through the engine
    engine: Engine = app.state.resources.engine
    with httpx.Client(transport=InProcess(app), base_url="http://service") as http:
        asked = asked_of(engine, http, calls)
    plans = plans_of(engine, asked)
    no_index, sorts = NO_INDEX[engine.dialect.name], SORTS[engine.dialect.name]
    read_whole = [
        f"{statement}\n{plan}\n" for statement, plan in plans.items() if set(no_index.findall(plan)) - FEW_ROWS
    ]
    assert not read_whole, "\n".join(read_whole)
    sorted_first = [
        f"{statement}\n{plan}\n" for statement, plan in plans.items() if sorts in plan and PAGE.search(statement)
    ]
    assert not sorted_first, "\n".join(sorted_first)
