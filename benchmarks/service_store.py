"""A store as it is after years: many tasks, the whole matrix between them, and what became of very many jobs.

Rows go past the registry, by `COPY` on PostgreSQL and one prepared statement on SQLite, for else a million of them take
the better part of an hour. They hold the same values as rows of the service: a task with its networks and the job that
registered it; a distance with its layers for every pair of tasks and each repetition; a recommendation with its whole
answer, its job, that job's events and the architecture it led to. The targets of the recommendations are not kept.
"""

import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from benchmarks.service_answer import SKELETON, answer_document, draw_genotype, request_document
from ldnas.recipe import MEASURES, default_recipe
from worker.registry import Engine
from worker.registry.base import Base

MEASURE = MEASURES[0]
BEGAN = 1_700_000_000.0
"""When the first row was made, in seconds since the epoch; the others follow at steps of a second."""
LAYERS = ("stem", "block1", "block2", "block3", "block4", "block5")
COMPARED = 5
"""Baselines in the answer of a recommendation."""

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Size:
    """How much the store holds.

    Attributes:
        tasks: baselines; the matrix has as many rows and columns, each task's own among them.
        repetitions: networks of a task, and distances of a pair.
        ended: jobs that ended: one for each task, the others recommendations.
    """

    tasks: int = 1000
    repetitions: int = 1
    ended: int = 100_000

    @property
    def distances(self) -> int:
        """Rows of distances."""
        return self.tasks**2 * self.repetitions


@dataclass(frozen=True)
class Filled:
    """What lies in a store.

    Attributes:
        tasks: their ids, oldest first.
        recommendations: ids of recommendations that succeeded, oldest first.
        jobs: ids of their jobs.
        architectures: ids of what they led to.
    """

    tasks: Sequence[str]
    recommendations: Sequence[str]
    jobs: Sequence[str]
    architectures: Sequence[str]


def fill(engine: Engine, size: Size, seed: int = 0) -> Filled:
    """Fill a migrated database that is empty; the same rows for the same size and seed."""
    tasks = [_id("task", number, seed) for number in range(size.tasks)]
    numbers = range(size.tasks, size.ended)
    with engine.connect() as connection, connection.begin():
        driver = connection.connection.driver_connection
        load = _Loader(driver, engine.dialect.name == "sqlite")
        load("jobs", _jobs(size, seed))
        load("job_events", _events(size, seed))
        load("tasks", _tasks(tasks, size, seed))
        load("networks", _networks(tasks, size))
        load("task_networks", _task_networks(tasks, size))
        load("distances", _distances(tasks, size, seed))
        load("recommendations", _recommendations(tasks, numbers, seed))
        load("architectures", _architectures(numbers, size, seed))
        connection.execute(text(f"INSERT INTO revisions (name, token) VALUES ('matrix', '{_id('revision', 0, seed)}')"))
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))  # as its autovacuum does after a while
    ended_well = [number for number in numbers if _state(number, size) == "succeeded"]
    return Filled(
        tasks=tasks,
        recommendations=[_id("recommendation", number, seed) for number in ended_well],
        jobs=[_id("job", number, seed) for number in ended_well],
        architectures=[_id("architecture", number, seed) for number in ended_well],
    )


class _Loader:
    """Writes rows, given as dictionaries of equal keys, as fast as the database takes them."""

    def __init__(self, driver: Any, is_sqlite: bool) -> None:
        self._driver = driver
        self._is_sqlite = is_sqlite
        if is_sqlite:
            driver.execute("PRAGMA cache_size = -400000")

    def __call__(self, table: str, rows: Iterable[dict[str, Any]]) -> None:
        rows = iter(rows)
        first = next(rows, None)
        if first is None:
            return
        columns = [*first]
        assert set(columns) <= set(Base.metadata.tables[table].columns.keys())
        values = self._values(first, rows)
        if self._is_sqlite:
            places = ", ".join("?" * len(columns))
            self._driver.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", values)
            return
        with self._driver.cursor() as cursor, cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
            for row in values:
                copy.write_row(row)

    @staticmethod
    def _values(first: dict[str, Any], rows: Iterator[dict[str, Any]]) -> Iterator[Row]:
        yield tuple(first.values())
        yield from (tuple(row.values()) for row in rows)


def _id(what: str, number: int, seed: int) -> str:
    return hashlib.blake2b(f"{what} {number} {seed}".encode(), digest_size=16).hexdigest()


def _digest(what: str) -> str:
    return hashlib.sha256(what.encode()).hexdigest()


def _network_key(task_id: str, repetition: int) -> str:
    return _digest(f"{task_id} {repetition}")


def _state(number: int, size: Size) -> str:
    """Of a hundred recommendations two fail and one is cancelled."""
    if number < size.tasks:
        return "succeeded"
    return {7: "failed", 57: "failed", 93: "cancelled"}.get(number % 100, "succeeded")


def _jobs(size: Size, seed: int) -> Iterator[dict[str, Any]]:
    done = json.dumps({"fraction": 1.0, "eta_seconds": 0.0, "message": "done"})
    error = json.dumps({"code": "degenerate_labels", "detail": "a class has no image", "field": None, "origin": None})
    for number in range(size.ended):
        state, began = _state(number, size), BEGAN + number
        is_task = number < size.tasks
        params = {"task_id": _id("task" if is_task else "target", number, seed)}
        if not is_task:
            params["recommendation_id"] = _id("recommendation", number, seed)
        yield {
            "id": _id("job", number, seed),
            "kind": "register_task" if is_task else "recommend",
            "params": json.dumps(params),
            "owner": "local",
            "idempotency_key": _id("key", number, seed),
            "request_hash": _digest(f"request {number}"),
            "state": state,
            "priority": 0,
            "run_after": began,
            "attempt": 1,
            "failures": 0,
            "max_attempts": 3,
            "published_at": began + 0.1,
            "stage": "export" if state == "succeeded" else "resolve",
            "progress": done if state == "succeeded" else None,
            "progress_seq": 40,
            "progressed_at": began + 900,
            "result": json.dumps({"task_id": params["task_id"]}) if state == "succeeded" else None,
            "error": error if state == "failed" else None,
            "created_at": began,
            "started_at": began + 1,
            "finished_at": began + 900,
        }


def _events(size: Size, seed: int) -> Iterator[dict[str, Any]]:
    for number in range(size.ended):
        job_id = _id("job", number, seed)
        for after, (state, attempt) in {0: ("queued", 0), 1: ("running", 1), 900: (_state(number, size), 1)}.items():
            data = json.dumps({"state": state, "attempt": attempt})
            yield {"job_id": job_id, "kind": "state", "data": data, "created_at": BEGAN + number + after}


def _tasks(ids: Sequence[str], size: Size, seed: int) -> Iterator[dict[str, Any]]:
    for number, task_id in enumerate(ids):
        yield {
            "id": task_id,
            "name": f"baseline {number:04}",
            "role": "baseline",
            "job_id": _id("job", number, seed),
            "dataset": json.dumps({"uri": "builtin://digits"}),
            "labels": json.dumps({"groups": [["1", "3", "5", "7", "9"]], "rest": True, "names": None}),
            "architecture": "small_cnn",
            "epsilon": 0.2,
            "repetitions": size.repetitions,
            "seed": number,
            "dataset_digest": _digest("digits"),
            "mapping_digest": _digest(f"mapping {number}"),
            "preprocessing_digest": _digest("preprocessing"),
            "class_names": json.dumps(["odd", "rest"]),
            "counts": json.dumps({"train": 1221, "validation": 304, "test": 272}),
            "seen_images": _digest(f"seen {number}"),
            "created_at": BEGAN + number,
        }


def _networks(ids: Sequence[str], size: Size) -> Iterator[dict[str, Any]]:
    for number, task_id in enumerate(ids):
        for repetition in range(size.repetitions):
            yield {
                "key": _network_key(task_id, repetition),
                "architecture": "small_cnn",
                "seed": repetition,
                "classes": 2,
                "weights": _digest(f"weights {task_id} {repetition}"),
                "parameters": 93_322,
                "validation_accuracy": 0.95,
                "validation_balanced_accuracy": 0.94,
                "seconds": 4.0,
                "created_at": BEGAN + number,
            }


def _task_networks(ids: Sequence[str], size: Size) -> Iterator[dict[str, Any]]:
    for task_id in ids:
        for repetition in range(size.repetitions):
            key = _network_key(task_id, repetition)
            yield {"task_id": task_id, "repetition": repetition, "network_key": key}


def _distances(ids: Sequence[str], size: Size, seed: int) -> Iterator[dict[str, Any]]:
    draw = random.Random(seed)
    recipe = default_recipe("small_cnn").digest
    contributions = [json.dumps([[layer, round(draw.random(), 12)] for layer in LAYERS]) for _ in range(64)]
    data_keys = {target: _digest(f"images {target}") for target in ids}
    for repetition in range(size.repetitions):
        keys = {task_id: _network_key(task_id, repetition) for task_id in ids}
        for number, source in enumerate(ids):
            for target in ids:
                value = 0.0 if source == target else draw.random()
                yield {
                    "source_network": keys[source],
                    "target_network": keys[target],
                    "data_key": data_keys[target],
                    "measure": MEASURE,
                    "recipe_digest": recipe,
                    "value": value,
                    "signed": value,
                    "standard_error": 0.05 * value,
                    "contributions": contributions[draw.getrandbits(6)],
                    "created_at": BEGAN + number,
                }


def _recommendations(tasks: Sequence[str], numbers: Iterable[int], seed: int) -> Iterator[dict[str, Any]]:
    draw = random.Random(seed)
    for number in numbers:
        recommendation_id = _id("recommendation", number, seed)
        closest = draw.sample(tasks, min(COMPARED, len(tasks)))
        yield {
            "id": recommendation_id,
            "name": f"target {number}",
            "job_id": _id("job", number, seed),
            "task_id": _id("target", number, seed),
            "request": json.dumps(request_document(closest)),
            "document": json.dumps(answer_document(closest, _id("architecture", number, seed), draw)),
            "created_at": BEGAN + number,
        }


def _architectures(numbers: Iterable[int], size: Size, seed: int) -> Iterator[dict[str, Any]]:
    draw = random.Random(seed)
    files = ("weights", "code", "program", "onnx", "card")
    for number in numbers:
        if _state(number, size) != "succeeded":
            continue
        yield {
            "id": _id("architecture", number, seed),
            "recommendation_id": _id("recommendation", number, seed),
            "job_id": _id("job", number, seed),
            "name": f"target {number}",
            "genotype": json.dumps(draw_genotype(draw)),
            "skeleton": json.dumps(SKELETON),
            "class_names": json.dumps(["odd", "rest"]),
            "preprocessing": json.dumps({"image_size": 16, "mean": [0.3] * 3, "std": [0.37] * 3}),
            "parameters": 183_202,
            "macs": 6_581_376,
            "validation": json.dumps({"accuracy": 0.98, "balanced_accuracy": 0.98}),
            "test": json.dumps({"accuracy": 0.97, "interval": [0.94, 0.99], "balanced_accuracy": 0.97}),
            **{file: _digest(f"{file} {number}") for file in files},
            "created_at": BEGAN + number,
        }
