"""The matrix as CSV: the whole of it goes out while it is read, in parts that hold nothing back."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from ldnas.recipe import default_recipe
from service.api.matrix import csv_lines as matrix_csv
from service.api.matrix.csv_lines import begin_whole_matrix, csv_lines, whole_matrix_lines
from worker.registry import Engine, JobKind, MatrixEntry, unit_of_work

NAMES = ("plain", 'with "quotes", and commas', "targeted", "alone")
MEASURED = (("plain", "targeted", 1.0), ('with "quotes", and commas', "targeted", 2.5), ("targeted", "plain", 0.1))


@pytest.fixture
def tasks(engine: Engine) -> dict[str, str]:
    """Baselines with two networks each; three pairs of them are measured, twice."""
    ids = {name: add_task(engine, name) for name in NAMES}
    for source, target, value in MEASURED:
        for repetition in range(2):
            keep(engine, f"{ids[source]} {repetition}", f"{ids[target]} {repetition}", value + repetition)
    return ids


def add_task(engine: Engine, name: str) -> str:
    with unit_of_work(engine) as registry:
        job = registry.jobs.insert(JobKind.REGISTER_TASK, {})
        columns = {"dataset": {"uri": "builtin://digits"}, "epsilon": 0.2, "repetitions": 2, "seed": 0}
        task = registry.tasks.insert(name=name, role="baseline", job_id=job.id, **columns)
        for repetition in range(2):
            registry.results.store_network(
                key=f"{task.id} {repetition}",
                architecture="small_cnn",
                seed=repetition,
                classes=2,
                weights="w",
                parameters=7,
                validation_accuracy=0.9,
                validation_balanced_accuracy=0.9,
                seconds=1.0,
            )
            registry.task_results.link_network(task.id, repetition, f"{task.id} {repetition}")
        return task.id


def keep(engine: Engine, source: str, target: str, value: float) -> None:
    row = {
        "source_network": source,
        "target_network": target,
        "data_key": "d",
        "measure": "log_det_layerwise",
        "recipe_digest": default_recipe("small_cnn").digest,
        "value": value,
        "signed": value,
    }
    with unit_of_work(engine) as registry:
        registry.results.store_distances([row])


def whole(http: httpx.Client, **headers: str) -> httpx.Response:
    return http.get("/v1/distances", params={"format": "csv"}, headers=headers)


def table(text: str) -> list[tuple[Any, ...]]:
    return [
        (line["source_id"], line["target_id"], float(line["mean"]), float(line["std"]), int(line["repetitions"]))
        for line in csv.DictReader(io.StringIO(text, newline=""))
    ]


@pytest.mark.parametrize("lines_at_once", [1, 4, 1000])
def test_the_lines_are_the_cells_that_json_has_however_they_are_cut(
    http: httpx.Client, tasks: dict[str, str], lines_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrix_csv, "LINES_AT_ONCE", lines_at_once)
    cells = http.get("/v1/distances").json()
    expected = [
        (source, target, *(cells[part][row][column] for part in ("mean", "std", "repetitions")))
        for column, target in enumerate(cells["targets"])
        for row, source in enumerate(cells["sources"])
        if cells["mean"][row][column] is not None
    ]
    assert len(expected) == len(MEASURED)
    assert table(whole(http).text) == expected, "the lines of one target stand together, the oldest source first"


def test_a_name_reads_as_it_was_written(http: httpx.Client, tasks: dict[str, str]) -> None:
    for query in ({}, {"target": "targeted"}):
        answer = http.get("/v1/distances", params={"format": "csv", **query})
        sources = {line["source"] for line in csv.DictReader(io.StringIO(answer.text, newline=""))}
        assert {"plain", 'with "quotes", and commas'} <= sources <= set(NAMES)


def test_lines_are_those_that_the_module_csv_would_write() -> None:
    names = {"a": 'x, "y"', "b": "line\nbreak", "c": "ü"}
    entries = [
        MatrixEntry(source, target, mean, std, 2)
        for source, target, mean, std in (("a", "b", 0.1, None), ("c", "a", -1e-300, 1 / 3), ("b", "c", 1e22, 5.0))
    ]
    expected = io.StringIO()
    writer = csv.writer(expected)
    for entry in entries:
        writer.writerow((entry[0], names[entry[0]], entry[1], names[entry[1]], *entry[2:]))
    assert csv_lines(entries, names) == expected.getvalue()


def test_no_connection_is_held_while_a_part_is_on_its_way(
    app: FastAPI, engine: Engine, tasks: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrix_csv, "LINES_AT_ONCE", 1)
    matrix = begin_whole_matrix(app.state.resources.engine, "log_det_layerwise")

    async def read() -> list[int]:
        return [engine.pool.checkedout() async for _ in whole_matrix_lines(app.state.resources.engine, matrix)]

    held = asyncio.run(read())
    assert held == [0] * (1 + len(tasks))


def test_rows_stored_meanwhile_are_in_the_parts_to_come(
    app: FastAPI, engine: Engine, tasks: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrix_csv, "LINES_AT_ONCE", 1)
    matrix = begin_whole_matrix(app.state.resources.engine, "log_det_layerwise")

    async def read() -> list[bytes]:
        lines: AsyncIterator[bytes] = whole_matrix_lines(app.state.resources.engine, matrix)
        parts = [await anext(lines), await anext(lines)]  # the header, and the lines to "plain"
        for target in ("plain", "alone"):
            keep(engine, f"{tasks['alone']} 0", f"{tasks[target]} 0", 7.0)
        add_task(engine, "later")
        return [*parts, *[part async for part in lines]]

    parts = asyncio.run(read())
    assert len(parts) == 1 + len(tasks), "the tasks are those of the beginning"
    assert parts[1].count(b"\n") == 1
    assert parts[-1].decode().split(",")[4] == "7.0"


def test_the_tag_says_whether_anything_has_changed(http: httpx.Client, engine: Engine, tasks: dict[str, str]) -> None:
    first = whole(http)
    assert first.headers["ETag"].startswith("W/")
    assert whole(http).headers["ETag"] == first.headers["ETag"]
    again = whole(http, **{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    keep(engine, f"{tasks['alone']} 0", f"{tasks['plain']} 0", 7.0)
    changed = whole(http, **{"If-None-Match": first.headers["ETag"]})
    assert (changed.status_code, changed.headers["ETag"] != first.headers["ETag"]) == (200, True)
    assert changed.text.count("\n") == first.text.count("\n") + 1


def test_before_anything_is_stored_there_is_a_header_and_no_tag(http: httpx.Client) -> None:
    answer = whole(http, **{"If-None-Match": "*"})
    assert (answer.status_code, answer.text) == (200, "source_id,source,target_id,target,mean,std,repetitions\r\n")
    assert "ETag" not in answer.headers


def test_a_request_for_the_head_alone_reads_no_distance(
    http: httpx.Client, tasks: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    full = whole(http)
    parts: list[object] = []
    monkeypatch.setattr(matrix_csv, "_part", lambda *asked: parts.append(asked) or b"")
    head = http.head("/v1/distances", params={"format": "csv"})
    assert (head.status_code, head.headers["ETag"], head.content) == (200, full.headers["ETag"], b"")
    assert parts == []
