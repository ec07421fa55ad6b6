"""Tasks, results and answers, alike on SQLite and PostgreSQL."""

import statistics
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from worker.registry.errors import (
    FenceLostError,
    NameTakenError,
    NotFoundError,
    RecommendationBusyError,
    TaskBusyError,
)
from worker.registry.models import Network, Task
from worker.registry.registry import Registry
from worker.registry.session import Engine, reading, unit_of_work


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


def distance(source: str, target: str, value: float, **columns: str) -> dict[str, object]:
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
            (entry.source_task_id, entry.target_task_id): entry for entry in registry.results.matrix("log_det", "r")
        }
        assert set(entries) == {(x, y), (y, y)}
        assert entries[x, y].mean == pytest.approx(statistics.fmean(values))
        assert entries[x, y].std == pytest.approx(statistics.stdev(values))
        assert (entries[x, y].repetitions, entries[y, y].repetitions) == (3, 1)
        assert (entries[y, y].mean, entries[y, y].std) == (0.0, None)
        assert len(registry.results.matrix("log_det", None, source="x")) == 1
        assert len(registry.results.matrix("log_det", None, target=y)) == 2
        assert registry.results.matrix("log_det", "another recipe") == []
        stored = registry.results.distances(["x0", "x1"], ["y0", "y1"], "log_det", "r")
        assert [(row.source_network, row.target_network, row.value, row.signed) for row in stored] == [
            ("x0", "y0", 0.5, -0.5),
            ("x0", "y1", 99.0, -99.0),
            ("x1", "y1", 0.25, -0.25),
        ]


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
    sizes = {"parameters": 10, "macs": 20, "weights": "w", "code": "c"}
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
