"""Uploaded datasets, alike on SQLite and PostgreSQL."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from worker.errors import DatasetInUseError, DatasetNameTakenError, NotFoundError
from worker.registry import DatasetRow, Engine, Registry, reading, unit_of_work


def keep(registry: Registry, name: str, digest: str = "a", **columns: Any) -> DatasetRow:
    sha256, samples = digest * 64, digest.upper() * 64
    artifacts = {sha256: (7, "application/zip"), samples: (3, "application/json")}
    values = {"kind": "zip", "reference": {}, "bytes": 7, "digest": "d" * 64, "classes": [], "left_out": 0, **columns}
    return registry.datasets.store(artifacts, name=name, sha256=sha256, samples=samples, **values)


def add_task(registry: Registry, name: str, **columns: Any) -> None:
    job = registry.jobs.insert("register_task", {})
    values = {"dataset": {"uri": "builtin://digits"}, "epsilon": 0.2, "repetitions": 1, "seed": 0, **columns}
    registry.tasks.insert(name=name, role="baseline", job_id=job.id, labels=None, **values)


def test_the_same_again_is_the_first_row_and_anything_else_a_conflict(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        first = keep(registry, "one")
    with unit_of_work(engine) as registry:
        assert keep(registry, "one").id == first.id
        for change in ({"digest": "b"}, {"reference": {"label_column": "x"}}):
            with pytest.raises(DatasetNameTakenError, match="one"):
                keep(registry, "one", **({"digest": "b"} if "digest" in change else change))
        keep(registry, "two")
    with reading(engine) as registry:
        assert [row.name for row in registry.datasets.list()] == ["two", "one"]
        assert [row.name for row in registry.datasets.list(after=registry.datasets.get("two").id)] == ["one"]
        assert registry.datasets.names(1) == ["one"]


def test_only_what_nothing_else_owns_is_free_after_a_deletion(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        keep(registry, "one")
        keep(registry, "two")
        keep(registry, "three", "b")
        registry.results.store_network(
            key="k",
            architecture="small_cnn",
            seed=1,
            classes=2,
            weights="b" * 64,
            parameters=1,
            validation_accuracy=0.5,
            validation_balanced_accuracy=0.5,
            seconds=1.0,
        )
    with unit_of_work(engine) as registry:
        assert registry.datasets.delete("one") == []
        assert registry.datasets.delete("two") == ["A" * 64, "a" * 64]
        assert registry.datasets.delete("three") == ["B" * 64]
        with pytest.raises(NotFoundError):
            registry.datasets.delete("one")
    with reading(engine) as registry:
        assert registry.results.artifact("a" * 64) is None
        assert registry.results.artifact("b" * 64) is not None


def test_a_task_keeps_the_images_and_the_weights_that_it_names(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        for name in ("images", "weights", "image"):
            keep(registry, name)
        add_task(registry, "a", dataset={"uri": "dataset://images"})
        add_task(registry, "b", weights="weights")
        add_task(registry, "c", dataset={"uri": "dataset://images", "label_column": "x"})
    with unit_of_work(engine) as registry:
        with pytest.raises(DatasetInUseError, match="'a', 'c'"):
            registry.datasets.delete("images")
        with pytest.raises(DatasetInUseError, match="'b'"):
            registry.datasets.delete("weights")
        registry.datasets.delete("image")


def test_the_tasks_that_refer_to_a_dataset_are_counted_and_named(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        for name in ("images", "weights", "unused"):
            keep(registry, name)
        add_task(registry, "a", dataset={"uri": "dataset://images"}, weights="weights")
        add_task(registry, "b", dataset={"uri": "dataset://images", "label_column": "x"})
        add_task(registry, "c", dataset={"uri": "dataset://images.2"})
    with reading(engine) as registry:
        counted = registry.datasets.uses(["images", "weights", "unused"])
        assert counted == {"images": 2, "weights": 1, "unused": 0}
        assert registry.datasets.uses([]) == {}
        assert [task.name for task in registry.datasets.users("images", 5)] == ["a", "b"]
        assert [task.name for task in registry.datasets.users("images", 1)] == ["a"]
        assert [task.name for task in registry.datasets.users("weights", 5)] == ["a"]


def raced(engine: Engine, *works: Any) -> Sequence[BaseException | None]:
    """Each in a transaction of its own, all begun before any ends; the error of each."""
    together = threading.Barrier(len(works), timeout=5)

    def run(work: Any) -> BaseException | None:
        try:
            if engine.dialect.name == "postgresql":
                with unit_of_work(engine) as registry:
                    registry.datasets.names(1)  # the transaction has begun
                    together.wait()
                    work(registry)
            else:  # SQLite has one writer at a time
                together.wait()
                with unit_of_work(engine) as registry:
                    work(registry)
        except (DatasetInUseError, DatasetNameTakenError, NotFoundError) as error:
            return error
        return None

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def test_of_two_that_take_a_name_at_once_one_has_it(engine: Engine) -> None:
    for round in range(5):
        errors = raced(
            engine,
            lambda registry, name=f"n{round}": keep(registry, name, "a"),
            lambda registry, name=f"n{round}": keep(registry, name, "b"),
        )
        assert sorted(type(error).__name__ for error in errors) == ["DatasetNameTakenError", "NoneType"]


def test_a_file_that_is_kept_while_its_other_name_is_deleted_stays_owned(engine: Engine) -> None:
    for round in range(5):
        with unit_of_work(engine) as registry:
            keep(registry, f"old{round}")
        freed: list[str] = []
        errors = raced(
            engine,
            lambda registry, name=f"old{round}", into=freed: into.extend(registry.datasets.delete(name)),
            lambda registry, name=f"new{round}": keep(registry, name),
        )
        assert errors == [None, None]
        with unit_of_work(engine) as registry:
            assert registry.results.artifact("a" * 64) is not None
            registry.datasets.delete(f"new{round}")


def test_a_dataset_is_not_deleted_while_a_task_that_names_it_is_being_stored(engine: Engine) -> None:
    def name_it(registry: Registry, name: str) -> None:
        if name not in registry.datasets.hold([name]):
            raise NotFoundError("dataset", name)
        add_task(registry, name, dataset={"uri": f"dataset://{name}"})

    for round in range(5):
        with unit_of_work(engine) as registry:
            keep(registry, f"d{round}")
        errors = raced(
            engine,
            lambda registry, name=f"d{round}": registry.datasets.delete(name),
            lambda registry, name=f"d{round}": name_it(registry, name),
        )
        assert [error is None for error in errors].count(True) == 1
        with reading(engine) as registry:
            named = any(row.task.name == f"d{round}" for row in registry.tasks.list())
            assert named == (registry.datasets.find(f"d{round}") is not None)
