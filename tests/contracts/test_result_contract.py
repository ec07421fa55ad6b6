"""Tasks, results and answers, alike on SQLite and PostgreSQL."""

import math
import sqlite3
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import event, inspect

from worker.registry.errors import (
    FenceLostError,
    NameTakenError,
    NotFoundError,
    RecommendationBusyError,
    TaskBusyError,
)
from worker.registry.models import Network, Task
from worker.registry.registry import Registry
from worker.registry.revisions import RevisionWatch
from worker.registry.schema import migrate
from worker.registry.session import Engine, open_engine, reading, unit_of_work


def add_task(registry: Registry, name: str, role: str = "baseline") -> Task:
    job = registry.jobs.insert("register_task", {})
    return registry.tasks.insert(
        name=name,
        role=role,
        job_id=job.id,
        dataset={"uri": "builtin://digits"},
        labels=None,
        epsilon=0.2,
        repetitions=2,
        seed=2**40,
    )


def end_job(registry: Registry, job_id: str) -> None:
    job = registry.jobs.claim(job_id, worker="w", lease_seconds=60)
    assert job is not None
    registry.jobs.finish(job_id, job.attempt, {})


def keep_network(registry: Registry, key: str, accuracy: float = 0.9) -> Network:
    return registry.results.keep_network(
        key=key,
        architecture="small_cnn",
        seed=1,
        classes=2,
        weights="w" * 64,
        parameters=10,
        validation_accuracy=accuracy,
        validation_balanced_accuracy=accuracy,
        seconds=1.0,
    )


def distance(source: str, target: str, value: float, **columns: object) -> dict[str, object]:
    keys = {"source_network": source, "target_network": target, "data_key": "d", "measure": "log_det"}
    return {**keys, "recipe_digest": "r", "value": value, "signed": -value, **columns}


def test_a_second_baseline_of_a_name_is_refused_and_the_transaction_goes_on(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        first = add_task(registry, "odd")
        with pytest.raises(NameTakenError, match="odd"):
            add_task(registry, "odd")
        target = add_task(registry, "odd", role="target")
        with pytest.raises(NameTakenError, match="odd"):
            registry.tasks.promote(target.id, "odd")
    with unit_of_work(engine) as registry:
        assert [row.task.id for row in registry.tasks.baselines()] == [first.id]
        assert registry.tasks.promote(target.id, "even").role == "baseline"
        assert [row.task.name for row in registry.tasks.baselines()] == ["odd", "even"]


def test_of_two_baselines_of_a_name_at_once_one_is_stored(engine: Engine) -> None:
    together = threading.Barrier(3)

    def insert(_: int) -> bool:
        together.wait()
        try:
            with unit_of_work(engine) as registry:
                add_task(registry, "odd")
        except NameTakenError:
            return False
        return True

    with ThreadPoolExecutor(3) as threads:
        assert sorted(threads.map(insert, range(3))) == [False, False, True]


def test_a_baseline_is_found_by_name_and_by_id(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        task = add_task(registry, "odd")
        impostor = add_task(registry, task.id)
        target = add_task(registry, "target", role="target")
    with reading(engine) as registry:
        for asked in ("odd", task.id):
            found = registry.tasks.find_baseline(asked)
            assert found is not None
            assert found.id == task.id
        assert registry.tasks.find_baseline(impostor.id) is not None
        assert registry.tasks.find_baseline("target") is None
        assert registry.tasks.find_baseline(target.id) is None


def test_tasks_tell_the_state_of_their_jobs(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        ready, waiting = add_task(registry, "ready"), add_task(registry, "waiting")
        end_job(registry, ready.job_id)
    with reading(engine) as registry:
        assert {row.task.name: row.state for row in registry.tasks.baselines()} == {
            "ready": "succeeded",
            "waiting": "queued",
        }
        assert [row.task.id for row in registry.tasks.list(limit=1)] == [waiting.id]
        assert [row.task.id for row in registry.tasks.list(after=waiting.id)] == [ready.id]
        assert registry.tasks.list(role="target") == []


def test_what_reading_the_data_told_is_kept(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        task = add_task(registry, "odd")
        assert task.labels is None
        registry.tasks.resolve(
            task.id,
            architecture="small_cnn",
            dataset_digest="d" * 64,
            mapping_digest="m" * 64,
            preprocessing_digest="p" * 64,
            class_names=("odd", "rest"),
            counts={"train": 10, "validation": 2, "test": 2},
            seen_images="e" * 64,
            samples="f" * 64,
        )
    with reading(engine) as registry:
        stored = registry.tasks.get(task.id)
    assert (stored.class_names, stored.counts) == (["odd", "rest"], {"train": 10, "validation": 2, "test": 2})
    assert stored.seed == 2**40


def test_a_task_is_deleted_with_its_links_only_once_its_job_has_ended(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        task = add_task(registry, "odd")
        keep_network(registry, "n")
        registry.tasks.link_network(task.id, 0, "n")
        rows = registry.results.keep_search("s", "random", [{"digest": "g", "genotype": {}}])
        registry.tasks.link_genotypes(task.id, [rows[0].id])
        with pytest.raises(TaskBusyError):
            registry.tasks.delete(task.id)
        end_job(registry, task.job_id)
    with unit_of_work(engine) as registry:
        registry.tasks.delete(task.id)
    with reading(engine) as registry:
        assert registry.tasks.baselines() == []
        assert registry.tasks.networks(task.id) == []
        assert registry.tasks.genotypes(task.id) == []
        assert registry.results.network("n") is not None
        with pytest.raises(NotFoundError, match="task"):
            registry.tasks.get(task.id)


def test_of_two_who_store_one_key_the_first_wins(engine: Engine) -> None:
    def store(accuracy: float) -> float:
        with unit_of_work(engine) as registry:
            return keep_network(registry, "n", accuracy).validation_accuracy

    with ThreadPoolExecutor(4) as threads:
        seen = list(threads.map(store, [0.1, 0.2, 0.3, 0.4]))
    assert len(set(seen)) == 1
    with unit_of_work(engine) as registry:
        for samples in (10, 20):
            row = registry.results.keep_fisher_summary(
                key="f", network_key="untrained:x", data_key="d", recipe_digest="r", summary={"a": 1.5}, samples=samples
            )
            assert row.samples == 10
        for size in (1, 2):
            assert registry.results.keep_artifact("a" * 64, size, "text/plain").bytes == 1
        assert registry.results.artifact("b" * 64) is None
        assert registry.results.fisher_summary("g") is None


def test_networks_come_in_the_order_of_their_repetitions(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        task = add_task(registry, "odd")
        for repetition, key in ((1, "a"), (0, "b"), (0, "a")):
            keep_network(registry, key)
            registry.tasks.link_network(task.id, repetition, key)
    with reading(engine) as registry:
        assert [network.key for network in registry.tasks.networks(task.id)] == ["b", "a"]


def test_genotypes_come_best_first_and_a_search_is_stored_once(engine: Engine) -> None:
    scored = [
        {"digest": "a", "genotype": {"edges": []}, "validation_accuracy": 0.5, "epochs": 1},
        {"digest": "b", "genotype": {"edges": []}},
        {"digest": "c", "genotype": {"edges": []}, "validation_accuracy": 0.75, "epochs": 1},
        {"digest": "d", "genotype": {"edges": []}, "validation_accuracy": 0.25, "epochs": 2},
    ]
    with unit_of_work(engine) as registry:
        assert registry.results.search("s") == []
        task = add_task(registry, "odd")
        rows = registry.results.keep_search("s", "random", scored)
        again = registry.results.keep_search("s", "random", scored[::-1])
        assert [row.id for row in again] == [row.id for row in rows]
        assert [row.digest for row in rows] == ["a", "b", "c", "d"]
        for _ in range(2):
            registry.tasks.link_genotypes(task.id, [row.id for row in rows])
    with reading(engine) as registry:
        assert [row.digest for row in registry.tasks.genotypes(task.id)] == ["d", "c", "a", "b"]


def test_the_matrix_pairs_equal_repetitions(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        tasks = {name: add_task(registry, name) for name in ("x", "y")}
        for name, task in tasks.items():
            for repetition in range(3):
                keep_network(registry, f"{name}{repetition}")
                registry.tasks.link_network(task.id, repetition, f"{name}{repetition}")
        values = [0.5, 0.25, 1.0]
        registry.results.keep_distances(
            [distance(f"x{r}", f"y{r}", value) for r, value in enumerate(values)]
            + [distance("x0", "y1", 99.0), distance("y0", "y0", 0.0), distance("x0", "y0", 7.0, measure="other")]
        )
        registry.results.keep_distances([distance("x0", "y0", 42.0)])
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
            registry.results.keep_distances([distance("x0", "x0", value, data_key=data)])
        time.sleep(0.01)
    with reading(engine) as registry:
        [entry] = registry.results.matrix("log_det", ["r"])
        [detail] = registry.results.pair(x, x, "log_det", ["r"])
    assert (entry.mean, entry.repetitions, detail.value) == (1.0, 1, 1.0)


def test_a_pair_is_told_in_detail(engine: Engine) -> None:
    x, y = (task_with_networks(engine, name, 2) for name in ("x", "y"))
    layers = [["stem", 0.125], ["block", 0.375]]
    with unit_of_work(engine) as registry:
        registry.results.keep_distances(
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


def test_a_task_is_found_by_id_then_as_a_baseline_then_as_the_newest_target(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        first = add_task(registry, "primes", role="target")
    time.sleep(0.01)
    with unit_of_work(engine) as registry:
        newest = add_task(registry, "primes", role="target")
        odd = add_task(registry, "odd")
        add_task(registry, "odd", role="target")
        add_task(registry, odd.id)
    with reading(engine) as registry:
        for asked, found in (("primes", newest), (first.id, first), ("odd", odd), (odd.id, odd)):
            assert registry.tasks.find(asked).id == found.id
        with pytest.raises(NotFoundError, match="no task has the id or name 'even'"):
            registry.tasks.find("even")
        assert [task.id for task in registry.tasks.find_all("primes", limit=9)] == [newest.id, first.id]
        for asked in ("odd", first.id):
            assert len(registry.tasks.find_all(asked, limit=9)) == 1


def test_a_task_is_looked_up_through_an_index(engine: Engine) -> None:
    assert ["name"] in [index["column_names"] for index in inspect(engine).get_indexes("tasks")]
    if engine.dialect.name == "sqlite":  # the other reads a small table whole
        plans = []
        with reading(engine) as registry:
            event.listen(engine, "before_cursor_execute", lambda *call: plans.append((call[2], call[3])))
            with pytest.raises(NotFoundError):
                registry.tasks.find("nothing")
        with engine.connect() as connection:
            plan = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + plans[0][0], plans[0][1]).all()
        assert "ix_tasks_name" in str(plan)
        assert "SCAN" not in str(plan)


def test_names_are_those_asked_for_baselines_first(engine: Engine) -> None:
    added = []
    for name, role in (("t1", "target"), ("b1", "baseline"), ("t2", "target"), ("b2", "baseline"), ("b3", "baseline")):
        with unit_of_work(engine) as registry:
            added.append(add_task(registry, name, role).id)
        time.sleep(0.002)
    with reading(engine) as registry:
        assert [*registry.tasks.names(added[3::-1]).items()] == [
            (added[place], name) for place, name in ((1, "b1"), (3, "b2"), (0, "t1"), (2, "t2"))
        ]
        assert [*registry.tasks.baseline_names().values()] == ["b1", "b2", "b3"]
        assert registry.tasks.names([]) == {}
        many = [f"{number:032x}" for number in range(70_000)]  # more than a statement takes
        assert registry.tasks.names([*many, *added[:1]]) == {added[0]: "t1"}


def test_measured_targets_are_those_that_another_task_was_measured_to(engine: Engine) -> None:
    y, x = (task_with_networks(engine, name, 1) for name in ("y", "x"))  # x is a target
    with unit_of_work(engine) as registry:
        registry.results.keep_distances([distance("x0", "x0", 0.0), distance("y0", "x0", 1.0, recipe_digest="old")])
        assert registry.results.measured_targets("log_det", ["r"]) == {}
        registry.results.keep_distances([distance("y0", "x0", 1.0), distance("x0", "y0", 1.0)])
        assert registry.results.measured_targets("log_det", ["r"]) == {x: "x"}
        assert registry.results.measured_targets("other", ["r"]) == {}
    assert y != x


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("column", ["value", "signed", "standard_error", "contributions"])
def test_a_distance_that_is_no_finite_number_is_refused(engine: Engine, column: str, bad: float) -> None:
    value = [["stem", 1.0], ["block", bad]] if column == "contributions" else bad
    with unit_of_work(engine) as registry:
        with pytest.raises(ValueError, match=r"source_network x0, target_network y0.* not finite"):
            registry.results.keep_distances([distance("x0", "x0", 0.0), distance("x0", "y0", 1.0) | {column: value}])
        assert registry.results.distances(["x0"], ["x0", "y0"], "log_det", "r") == []


def test_two_who_store_the_same_rows_in_opposite_orders_do_not_block_each_other(engine: Engine) -> None:
    rows = [distance(f"x{number}", "y0", 1.0) for number in range(400)]
    together = threading.Barrier(2, timeout=20.0)  # the other one may have failed

    def keep(given: list[dict[str, object]]) -> None:
        for attempt in range(3):
            together.wait()
            with unit_of_work(engine) as registry:
                registry.results.keep_distances([row | {"data_key": str(attempt)} for row in given])

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(keep, (rows, rows[::-1])))
    with reading(engine) as registry:
        assert len(registry.results.distances(["x399"], ["y0"], "log_det", "r")) == 3


def test_a_task_that_distances_are_measured_to_is_not_deleted(engine: Engine) -> None:
    x = task_with_networks(engine, "x", 1)
    with unit_of_work(engine) as registry:
        end_job(registry, registry.tasks.get(x).job_id)
        answer = registry.recommendations.insert(job_id=registry.tasks.get(x).job_id, task_id=x, request={})
        done, running = (registry.jobs.insert("distances", {"target_task_id": x}).id for _ in range(2))
        registry.jobs.insert("distances", {"target_task_id": "another"})
        end_job(registry, done)
        registry.jobs.claim(running, worker="w", lease_seconds=60)
    for delete in (lambda r: r.tasks.delete(x), lambda r: r.recommendations.delete(answer.id)):
        with pytest.raises(TaskBusyError, match=running), unit_of_work(engine) as registry:
            delete(registry)
    with unit_of_work(engine) as registry:
        registry.jobs.finish(running, 1, {})
        registry.recommendations.delete(answer.id)
        with pytest.raises(NotFoundError):
            registry.tasks.get(x)


def test_a_task_is_not_deleted_while_a_job_for_it_is_being_inserted(engine: Engine) -> None:
    x = task_with_networks(engine, "x", 1)
    with unit_of_work(engine) as registry:
        end_job(registry, registry.tasks.get(x).job_id)

    def delete() -> None:
        with unit_of_work(engine) as registry:
            registry.tasks.delete(x)

    with ThreadPoolExecutor(1) as thread:
        with unit_of_work(engine) as registry:
            assert registry.tasks.hold([x, "nothing"]) == {x}
            deleted = thread.submit(delete)
            time.sleep(0.3)
            registry.jobs.insert("distances", {"target_task_id": x})
        with pytest.raises(TaskBusyError):
            deleted.result()


MATRIX_WRITES: dict[str, Callable[[Registry, str], object]] = {
    "a distance": lambda registry, task_id: registry.results.keep_distances([distance("x0", "x0", 0.0)]),
    "one new distance of several": lambda registry, task_id: registry.results.keep_distances(
        [distance("x0", "x0", 0.0, data_key=key) for key in ("there", "new")]
    ),
    "a task": lambda registry, task_id: add_task(registry, "another"),
    "a name": lambda registry, task_id: registry.tasks.promote(task_id, "renamed"),
    "a deletion": lambda registry, task_id: registry.tasks.delete(task_id),
    "a network": lambda registry, task_id: registry.tasks.link_network(task_id, 1, "x0"),
    "a deleted recommendation": lambda registry, task_id: registry.recommendations.delete("a" * 32),
}


@pytest.mark.parametrize("what", [*MATRIX_WRITES])
def test_whatever_changes_the_matrix_gives_it_a_new_revision(engine: Engine, what: str) -> None:
    x = task_with_networks(engine, "x", 1)
    with unit_of_work(engine) as registry:
        job_id = registry.tasks.get(x).job_id
        registry.recommendations.insert(id="a" * 32, job_id=job_id, task_id=x, request={})
        registry.results.keep_distances([distance("x0", "x0", 0.0, data_key="there")])
        end_job(registry, job_id)
    before = revision_of(engine)
    with unit_of_work(engine) as registry:
        MATRIX_WRITES[what](registry, x)
        assert revision_of(engine) == before, "what is not committed is not there yet"
    assert before is not None
    assert revision_of(engine) not in (None, before)


def test_what_leaves_the_matrix_alone_leaves_its_revision(engine: Engine) -> None:
    x = task_with_networks(engine, "x", 1)
    with unit_of_work(engine) as registry:
        registry.results.keep_distances([distance("x0", "x0", 0.0)])
    before = revision_of(engine)
    with unit_of_work(engine) as registry:
        job = registry.jobs.insert("recommend", {})
        registry.jobs.request_cancel(job.id)
        keep_network(registry, "unlinked")
        registry.results.keep_artifact("a" * 64, 1, "text/plain")
    with unit_of_work(engine) as registry:  # all of this is there already, or nothing that the matrix shows
        registry.results.keep_distances([distance("x0", "x0", 1.0)])
        registry.tasks.link_network(x, 0, "x0")
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
    assert revision_of(engine) == before


def test_one_revision_never_stands_for_two_contents_whoever_writes_at_once(engine: Engine) -> None:
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


def test_the_revision_is_seen_at_once_where_the_database_offers_that(engine: Engine, database_url: str) -> None:
    watch, elsewhere = RevisionWatch(engine), open_engine(database_url)
    assert watch.peek() is None, "nothing was written yet"
    for number in range(3):
        with unit_of_work(elsewhere) as registry:
            add_task(registry, f"task{number}")
            watch.peek()
        assert watch.peek() == (revision_of(engine) if engine.dialect.name == "sqlite" else None)
        engine.dispose()  # closes the watch's connection, which is opened anew
    watch.close()
    elsewhere.dispose()


def test_a_watch_waits_for_nobody_and_makes_no_database(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'new.sqlite3'}")
    watch = RevisionWatch(engine)
    assert watch.peek() is None
    assert not (tmp_path / "new.sqlite3").exists()
    migrate(f"sqlite:///{tmp_path / 'new.sqlite3'}")
    with unit_of_work(engine) as registry:
        add_task(registry, "task")
    assert watch.peek() is not None
    with sqlite3.connect(tmp_path / "new.sqlite3", isolation_level=None) as writer:
        writer.execute("PRAGMA locking_mode = EXCLUSIVE")
        engine.dispose()
        writer.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        watch.peek()
        assert time.monotonic() - began < 1.0
        writer.execute("ROLLBACK")
    writer.close()
    watch.close()


def revision_of(engine: Engine) -> str | None:
    with reading(engine) as registry:
        return registry.results.matrix_revision()


def task_with_networks(engine: Engine, name: str, repetitions: int) -> str:
    """A task whose network r is called by its name and r."""
    with unit_of_work(engine) as registry:
        task = add_task(registry, name, role="target" if name == "x" else "baseline")
        for repetition in range(repetitions):
            keep_network(registry, f"{name}{repetition}")
            registry.tasks.link_network(task.id, repetition, f"{name}{repetition}")
        return task.id


def test_an_answer_grows_under_the_fence_of_its_job(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        target = add_task(registry, "t", role="target")
        answer = registry.recommendations.insert(job_id=target.job_id, task_id=target.id, request={"seed": 1})
        fence = registry.jobs.claim(target.job_id, worker="w", lease_seconds=60).attempt
        for fields in ({"verdict": None, "cost": {"a": 1}}, {"verdict": "tie"}):
            registry.recommendations.merge_document(answer.id, target.job_id, fence, fields)
        with pytest.raises(FenceLostError):
            registry.recommendations.merge_document(answer.id, target.job_id, fence + 1, {"verdict": "late"})
    with reading(engine) as registry:
        assert registry.recommendations.get(answer.id).document == {"verdict": "tie", "cost": {"a": 1}}
        found = registry.recommendations.by_job(target.job_id)
        assert found is not None
        assert found.id == answer.id


def architecture_columns(job_id: str, recommendation_id: str) -> dict[str, object]:
    document = {name: {} for name in ("genotype", "skeleton", "preprocessing", "validation", "test")}
    sizes = {"parameters": 10, "macs": 20, **{file: file for file in ("weights", "code", "program", "onnx", "card")}}
    return {
        "job_id": job_id,
        "recommendation_id": recommendation_id,
        "name": "n",
        "class_names": ["a"],
        **document,
        **sizes,
    }


def test_an_architecture_is_stored_once_and_outlives_its_recommendation(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        target = add_task(registry, "t", role="target")
        answer = registry.recommendations.insert(job_id=target.job_id, task_id=target.id, request={})
        columns = architecture_columns(target.job_id, answer.id)
        first = registry.architectures.insert_once(**columns)
        assert registry.architectures.insert_once(**{**columns, "macs": 99}).id == first.id
        with pytest.raises(RecommendationBusyError):
            registry.recommendations.delete(answer.id)
        end_job(registry, target.job_id)
    with unit_of_work(engine) as registry:
        registry.recommendations.delete(answer.id)
    with reading(engine) as registry:
        assert registry.recommendations.list() == []
        assert registry.tasks.list() == []
        (kept,) = registry.architectures.list()
        assert (kept.id, kept.recommendation_id, kept.macs) == (first.id, None, 20)
        with pytest.raises(NotFoundError, match="architecture"):
            registry.architectures.get("nothing")
