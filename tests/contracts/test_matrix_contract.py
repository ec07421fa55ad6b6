"""The matrix of distances and its revision, alike on SQLite and PostgreSQL."""

import asyncio
import math
import sqlite3
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.contracts.rows import add_task, distance, end_job, store_network, task_with_networks
from worker.registry import (
    MATRIX_REVISION,
    Engine,
    QuickReader,
    Registry,
    open_engine,
    reading,
    revision_of,
    unit_of_work,
)
from worker.registry.schema import migrate


def test_the_matrix_pairs_equal_repetitions(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        tasks = {name: add_task(registry, name) for name in ("x", "y")}
        for name, task in tasks.items():
            for repetition in range(3):
                store_network(registry, f"{name}{repetition}")
                registry.task_results.link_network(task.id, repetition, f"{name}{repetition}")
        values = [0.5, 0.25, 1.0]
        registry.results.store_distances(
            [distance(f"x{r}", f"y{r}", value) for r, value in enumerate(values)]
            + [distance("x0", "y1", 99.0), distance("y0", "y0", 0.0), distance("x0", "y0", 7.0, measure="other")]
        )
        registry.results.store_distances([distance("x0", "y0", 42.0)])
    x, y = tasks["x"].id, tasks["y"].id
    with reading(engine) as registry:
        entries = {
            (entry.source_task_id, entry.target_task_id): entry for entry in registry.results.matrix("log_det", ["r"])
        }
        assert set(entries) == {(x, y), (y, y)}
        assert entries[x, y].mean == pytest.approx(statistics.fmean(values))
        assert entries[x, y].std == pytest.approx(statistics.stdev(values))
        assert (entries[x, y].repetitions, entries[y, y].repetitions) == (3, 1)
        assert (entries[y, y].mean, entries[y, y].std) == (0.0, None)
        assert len(registry.results.matrix("log_det", ["r"], source_task_id=x)) == 1
        assert len(registry.results.matrix("log_det", ["r"], target_task_id=y)) == 2
        assert registry.results.matrix("log_det", ["r"], source_task_id=y, target_task_id=x) == []
        assert registry.results.matrix("log_det", ["another recipe"]) == []
        assert len(registry.results.matrix("log_det", ["another recipe", "r"])) == 2
        stored = registry.results.distances(["x0", "x1"], ["y0", "y1"], "log_det", "r")
        assert [(row.source_network, row.target_network, row.value, row.signed) for row in stored] == [
            ("x0", "y0", 0.5, -0.5),
            ("x0", "y1", 99.0, -99.0),
            ("x1", "y1", 0.25, -0.25),
        ]


def test_of_two_measurements_of_a_pair_the_later_counts(engine: Engine) -> None:
    x = task_with_networks(engine, "x", 1)
    for data, value in (("new", 2.0), ("newer", 1.0)):
        with unit_of_work(engine) as registry:
            registry.results.store_distances([distance("x0", "x0", value, data_key=data)])
        time.sleep(0.01)
    with reading(engine) as registry:
        [entry] = registry.results.matrix("log_det", ["r"])
        [detail] = registry.results.pair(x, x, "log_det", ["r"])
    assert (entry.mean, entry.repetitions, detail.value) == (1.0, 1, 1.0)


def test_a_pair_has_the_details_of_each_repetition(engine: Engine) -> None:
    x, y = (task_with_networks(engine, name, 2) for name in ("x", "y"))
    layers = [["stem", 0.125], ["block", 0.375]]
    with unit_of_work(engine) as registry:
        registry.results.store_distances(
            [
                distance("x1", "y1", 0.25),
                distance("x0", "y0", 0.5, standard_error=0.0625, contributions=layers),
                distance("x0", "y0", 7.0, measure="other"),
                distance("y0", "x0", 8.0),
            ]
        )
    with reading(engine) as registry:
        first, second = registry.results.pair(x, y, "log_det", ["r"])
        assert registry.results.pair(x, y, "log_det", ["another recipe"]) == []
    assert (first.repetition, first.source_network, first.target_network) == (0, "x0", "y0")
    assert (first.value, first.signed, first.standard_error, first.contributions) == (0.5, -0.5, 0.0625, layers)
    assert (first.recipe_digest, first.created_at > 1.7e9) == ("r", True)
    assert (second.repetition, second.value, second.standard_error, second.contributions) == (1, 0.25, None, None)


def test_measured_targets_are_those_that_another_task_was_measured_to(engine: Engine) -> None:
    y, x = (task_with_networks(engine, name, 1) for name in ("y", "x"))  # x is a target
    with unit_of_work(engine) as registry:
        registry.results.store_distances([distance("x0", "x0", 0.0), distance("y0", "x0", 1.0, recipe_digest="old")])
        assert registry.results.measured_targets("log_det", ["r"]) == {}
        registry.results.store_distances([distance("y0", "x0", 1.0), distance("x0", "y0", 1.0)])
        assert registry.results.measured_targets("log_det", ["r"]) == {x: "x"}
        assert registry.results.measured_targets("other", ["r"]) == {}
    assert y != x


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("column", ["value", "signed", "standard_error", "contributions"])
def test_a_distance_that_is_not_finite_is_refused(engine: Engine, column: str, bad: float) -> None:
    value = [["stem", 1.0], ["block", bad]] if column == "contributions" else bad
    with unit_of_work(engine) as registry:
        with pytest.raises(ValueError, match=r"source_network x0, target_network y0.* not finite"):
            registry.results.store_distances([distance("x0", "x0", 0.0), distance("x0", "y0", 1.0) | {column: value}])
        assert registry.results.distances(["x0"], ["x0", "y0"], "log_det", "r") == []


def test_two_who_store_the_same_rows_in_opposite_orders_do_not_block_each_other(engine: Engine) -> None:
    rows = [distance(f"x{number}", "y0", 1.0) for number in range(400)]
    together = threading.Barrier(2, timeout=20.0)  # the other one may have failed

    def keep(given: list[dict[str, object]]) -> None:
        for attempt in range(3):
            together.wait()
            with unit_of_work(engine) as registry:
                registry.results.store_distances([row | {"data_key": str(attempt)} for row in given])

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(keep, (rows, rows[::-1])))
    with reading(engine) as registry:
        assert len(registry.results.distances(["x399"], ["y0"], "log_det", "r")) == 3


MATRIX_WRITES: dict[str, Callable[[Registry, str], object]] = {
    "a distance": lambda registry, task_id: registry.results.store_distances([distance("x0", "x0", 0.0)]),
    "one new distance of several": lambda registry, task_id: registry.results.store_distances(
        [distance("x0", "x0", 0.0, data_key=key) for key in ("there", "new")]
    ),
    "a task": lambda registry, task_id: add_task(registry, "another"),
    "a name": lambda registry, task_id: registry.tasks.promote(task_id, "renamed"),
    "a deletion": lambda registry, task_id: registry.tasks.delete(task_id),
    "a network": lambda registry, task_id: registry.task_results.link_network(task_id, 1, "x0"),
    "a deleted recommendation": lambda registry, task_id: registry.recommendations.delete("a" * 32),
}


@pytest.mark.parametrize("what", [*MATRIX_WRITES])
def test_whatever_changes_the_matrix_gives_it_a_new_revision(engine: Engine, what: str) -> None:
    x = task_with_networks(engine, "x", 1)
    with unit_of_work(engine) as registry:
        job_id = registry.tasks.get(x).job_id
        registry.recommendations.insert(id="a" * 32, job_id=job_id, task_id=x, request={})
        registry.results.store_distances([distance("x0", "x0", 0.0, data_key="there")])
        end_job(registry, job_id)
    before = stored_revision(engine)
    with unit_of_work(engine) as registry:
        MATRIX_WRITES[what](registry, x)
        assert stored_revision(engine) == before, "a write that is not committed is not visible yet"
    assert before is not None
    assert stored_revision(engine) not in (None, before)


def test_what_leaves_the_matrix_alone_leaves_its_revision(engine: Engine) -> None:
    x = task_with_networks(engine, "x", 1)
    with unit_of_work(engine) as registry:
        registry.results.store_distances([distance("x0", "x0", 0.0)])
    before = stored_revision(engine)
    with unit_of_work(engine) as registry:
        job = registry.jobs.insert("recommend", {})
        registry.jobs.request_cancel(job.id)
        store_network(registry, "unlinked")
        registry.results.store_artifact("a" * 64, 1, "text/plain")
    with unit_of_work(engine) as registry:  # all of this is there already, or nothing that the matrix shows
        registry.results.store_distances([distance("x0", "x0", 1.0)])
        registry.task_results.link_network(x, 0, "x0")
        registry.tasks.get(x).counts = {"train": 1}
        registry.tasks.get(x).name = "x"

    def add_and_fail() -> None:
        with unit_of_work(engine) as registry:
            add_task(registry, "never")
            raise LookupError

    with pytest.raises(LookupError):
        add_and_fail()
    with unit_of_work(engine) as registry:
        registry.jobs.insert("recommend", {})
    assert stored_revision(engine) == before


def test_one_revision_never_stands_for_two_contents_with_concurrent_writers(engine: Engine) -> None:
    def add(number: int) -> None:
        with unit_of_work(engine) as registry:
            add_task(registry, f"task{number}")
        with reading(engine) as registry:
            seen.append((registry.results.matrix_revision(), frozenset(registry.tasks.baseline_names())))

    seen: list[tuple[str | None, frozenset[str]]] = []
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(add, range(24)))
    contents = {content for _, content in seen}
    assert max(map(len, contents)) == 24
    assert len({revision for revision, _ in seen}) == len(set(seen)) == len(contents)


def test_the_quick_reader_sees_the_revision_at_once(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.registry.quick_reader.PATIENCE_SECONDS", 60.0)  # however busy this machine is
    reader, elsewhere = QuickReader(engine), open_engine(database_url)
    assert peek(reader) is None, "nothing was written yet"
    for number in range(3):
        with unit_of_work(elsewhere) as registry:
            add_task(registry, f"task{number}")
            before = peek(reader)
        assert before != peek(reader) == stored_revision(engine)
        engine.dispose()  # closes the reader's connection, which is opened again
    elsewhere.dispose()


def test_the_quick_reader_waits_for_no_writer_and_makes_no_database(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'new.sqlite3'}")
    reader = QuickReader(engine)
    assert peek(reader) is None
    assert not (tmp_path / "new.sqlite3").exists()
    migrate(f"sqlite:///{tmp_path / 'new.sqlite3'}")
    with unit_of_work(engine) as registry:
        add_task(registry, "task")
    assert peek(reader) is not None
    with sqlite3.connect(tmp_path / "new.sqlite3", isolation_level=None) as writer:
        writer.execute("PRAGMA locking_mode = EXCLUSIVE")
        engine.dispose()
        writer.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        assert peek(reader) is None
        assert time.monotonic() - began < 1.0
        writer.execute("ROLLBACK")
    writer.close()
    engine.dispose()


def peek(reader: QuickReader) -> str | None:
    rows = asyncio.run(reader.ask_once(MATRIX_REVISION))
    return None if rows is None else revision_of(rows)


def stored_revision(engine: Engine) -> str | None:
    with reading(engine) as registry:
        return registry.results.matrix_revision()
