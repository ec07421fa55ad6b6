"""Tasks, alike on SQLite and PostgreSQL."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, inspect

from tests.contracts.rows import add_task, end_job, store_network, task_with_networks
from worker.errors import NameTakenError, NotFoundError, TaskBusyError
from worker.registry import CellTraining, Engine, reading, unit_of_work


def test_a_second_baseline_of_a_name_is_refused_and_the_transaction_continues(engine: Engine) -> None:
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


def test_tasks_have_the_state_of_their_jobs(engine: Engine) -> None:
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


def test_the_results_of_reading_the_data_are_stored(engine: Engine) -> None:
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
            class_counts=(odd := [{"name": "odd", "train": 10, "validation": 2, "test": 2}]),
            seen_images="e" * 64,
            samples="f" * 64,
        )
    with reading(engine) as registry:
        stored = registry.tasks.get(task.id)
    assert (stored.class_names, stored.counts) == (["odd", "rest"], {"train": 10, "validation": 2, "test": 2})
    assert stored.class_counts == odd
    assert stored.seed == 2**40


def test_a_task_is_deleted_with_its_links_only_once_its_job_has_ended(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        task = add_task(registry, "odd")
        store_network(registry, "n")
        registry.task_results.link_network(task.id, 0, "n")
        rows = registry.results.store_search("s", "random", [{"digest": "g", "genotype": {}}])
        registry.task_results.link_genotypes(task.id, [rows[0].id])
        registry.task_results.link_cell(task.id, "n", {})
        registry.task_results.store_training(task.id, CellTraining("n", {}, {}, 1, 0, 0.5, 0.5, 0.5, 0.5))
        with pytest.raises(TaskBusyError):
            registry.tasks.delete(task.id)
        end_job(registry, task.job_id)
    with unit_of_work(engine) as registry:
        registry.tasks.delete(task.id)
    with reading(engine) as registry:
        assert registry.tasks.baselines() == []
        assert registry.task_results.networks(task.id) == []
        assert registry.task_results.genotypes(task.id) == []
        assert registry.task_results.cells(task.id) == []
        assert registry.task_results.trainings(task.id) == []
        assert registry.results.network("n") is not None
        with pytest.raises(NotFoundError, match="task"):
            registry.tasks.get(task.id)


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


def test_a_task_that_distances_are_measured_to_is_not_deleted(engine: Engine) -> None:
    x = task_with_networks(engine, "x", 1)
    with unit_of_work(engine) as registry:
        end_job(registry, registry.tasks.get(x).job_id)
        answer = registry.recommendations.insert(job_id=registry.tasks.get(x).job_id, task_id=x, request={})
        done, running = (registry.jobs.insert("distances", {"target_task_id": x}).id for _ in range(2))
        registry.jobs.insert("distances", {"target_task_id": "another"})
        end_job(registry, done)
        registry.leases.claim(running, worker="w", lease_seconds=60)
    for delete in (lambda r: r.tasks.delete(x), lambda r: r.recommendations.delete(answer.id)):
        with pytest.raises(TaskBusyError, match=running), unit_of_work(engine) as registry:
            delete(registry)
    with unit_of_work(engine) as registry:
        registry.leases.finish(running, 1, {})
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


def test_the_classes_of_a_dataset_are_those_of_the_newest_task_that_took_them_as_they_are(engine: Engine) -> None:
    found = {
        "architecture": "small_cnn",
        "counts": {},
        "class_counts": [],
        "seen_images": "e" * 64,
        "samples": "f" * 64,
    }
    digests = dict.fromkeys(("dataset_digest", "mapping_digest", "preprocessing_digest"), "d" * 64)
    cases = {
        "older": ({"uri": "u"}, None),
        "newer": ({"uri": "u"}, None),
        "other column": ({"uri": "u", "label_column": "x"}, None),
        "mapped": ({"uri": "u"}, {"groups": [[0]], "rest": True}),
        "other dataset": ({"uri": "v"}, None),
    }
    with unit_of_work(engine) as registry:
        for name, (dataset, labels) in cases.items():
            task = add_task(registry, name)
            task.dataset, task.labels = dataset, labels
            registry.tasks.resolve(task.id, class_names=(name,), **digests, **found)
        unread = add_task(registry, "unread")
        unread.dataset = {"uri": "u"}
    with reading(engine) as registry:

        def name_of(uri: str, column: str | None) -> str | None:
            task = registry.tasks.find_unmapped(uri, column)
            return task and task.name

        assert name_of("u", None) == "newer"
        assert name_of("u", "x") == "other column"
        assert name_of("v", None) == "other dataset"
        assert name_of("v", "x") is name_of("w", None) is None
