"""What stages keep, and answers, alike on SQLite and PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.contracts.rows import add_task, end_job, store_network
from worker.errors import AttemptLostError, NotFoundError, RecommendationBusyError
from worker.registry import CellTraining, Engine, reading, unit_of_work


def test_of_two_who_store_one_key_the_first_wins(engine: Engine) -> None:
    def store(accuracy: float) -> float:
        with unit_of_work(engine) as registry:
            return store_network(registry, "n", accuracy).validation_accuracy

    with ThreadPoolExecutor(4) as threads:
        seen = list(threads.map(store, [0.1, 0.2, 0.3, 0.4]))
    assert len(set(seen)) == 1
    with unit_of_work(engine) as registry:
        for samples in (10, 20):
            row = registry.results.store_fisher_summary(
                key="f", network_key="untrained:x", data_key="d", recipe_digest="r", summary={"a": 1.5}, samples=samples
            )
            assert row.samples == 10
        for size in (1, 2):
            assert registry.results.store_artifact("a" * 64, size, "text/plain").bytes == 1
        assert registry.results.artifact("b" * 64) is None
        assert registry.results.fisher_summary("g") is None


def test_networks_come_in_the_order_of_their_repetitions(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        task = add_task(registry, "odd")
        for repetition, key in ((1, "a"), (0, "b"), (0, "a")):
            store_network(registry, key)
            registry.task_results.link_network(task.id, repetition, key)
    with reading(engine) as registry:
        assert [network.key for network in registry.task_results.networks(task.id)] == ["b", "a"]


def test_trained_cells_come_best_first_and_are_linked_once(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        odd, even = (add_task(registry, name) for name in ("odd", "even"))
        for key, accuracy in (("a", 0.75), ("m", 0.875), ("z", 0.5)):
            store_network(registry, key, accuracy)
            for design in ({"of": key}, {"of": "another"}):
                registry.task_results.link_cell(odd.id, key, design)
        registry.task_results.link_cell(even.id, "z", {"of": "even"})
    with reading(engine) as registry:
        cells = registry.task_results.cells(odd.id)
        assert [cell.network.key for cell in cells] == ["m", "a", "z"]
        assert [cell.design for cell in cells] == [{"of": "m"}, {"of": "a"}, {"of": "z"}]
        assert [cell.design for cell in registry.task_results.cells(even.id)] == [{"of": "even"}]


def test_trainings_come_longest_first_are_stored_once_and_say_whether_their_weights_are_kept(engine: Engine) -> None:
    scores = {"validation_loss": 0.5, "standard_error": 0.0625, "seconds": 1.5}
    short, good, fair, raced = (
        CellTraining(key, {"of": key}, {"stages": []}, epochs, 2**62, accuracy, **scores)
        for key, epochs, accuracy in (("s", 4, 0.9), ("g", 15, 0.8), ("f", 15, 0.7), ("r", None, 0.6))
    )
    with unit_of_work(engine) as registry:
        odd, even = (add_task(registry, name) for name in ("odd", "even"))
        for training in (short, fair, good, raced, replace(good, seed=3)):
            registry.task_results.store_training(odd.id, training)
        registry.task_results.store_training(even.id, good)
        store_network(registry, "g")
        registry.task_results.link_cell(odd.id, "g", {"of": "g"})
    with reading(engine) as registry:
        found = registry.task_results.trainings(odd.id)
        assert [own.training for own in found] == [raced, good, fair, short]
        assert [own.training.key for own in found if own.weights] == ["g"]
        assert [own.weights for own in registry.task_results.trainings(even.id)] == [False]


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
        rows = registry.results.store_search("s", "random", scored)
        again = registry.results.store_search("s", "random", scored[::-1])
        assert [row.id for row in again] == [row.id for row in rows]
        assert [row.digest for row in rows] == ["a", "b", "c", "d"]
        for _ in range(2):
            registry.task_results.link_genotypes(task.id, [row.id for row in rows])
    with reading(engine) as registry:
        assert [row.digest for row in registry.task_results.genotypes(task.id)] == ["d", "c", "a", "b"]


def test_an_answer_grows_under_the_fence_of_its_job(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        target = add_task(registry, "t", role="target")
        answer = registry.recommendations.insert(job_id=target.job_id, task_id=target.id, request={"seed": 1})
        attempt = registry.leases.claim(target.job_id, worker="w", lease_seconds=60).attempt
        for fields in ({"verdict": None, "cost": {"a": 1}}, {"verdict": "tie"}):
            registry.recommendations.merge_document(answer.id, target.job_id, attempt, fields)
        with pytest.raises(AttemptLostError):
            registry.recommendations.merge_document(answer.id, target.job_id, attempt + 1, {"verdict": "late"})
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
