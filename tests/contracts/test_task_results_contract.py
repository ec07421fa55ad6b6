"""Numbers about tasks, and tasks by what they are, alike on SQLite and PostgreSQL."""

from typing import Any

from worker.registry import Engine, JobState, TaskRole, TaskRow, reading, unit_of_work

TASK = {"dataset": {}, "labels": None, "epsilon": 0.2, "repetitions": 1, "seed": 0}


def add_task(registry: Any, name: str, *, role: str = TaskRole.BASELINE, ready: bool = False) -> TaskRow:
    job = registry.jobs.insert("register_task", {})
    if ready:
        claimed = registry.leases.claim(job.id, worker="w", lease_seconds=60)
        registry.leases.finish(job.id, claimed.attempt, {})
    return registry.tasks.insert(id=name, name=name, role=role, job_id=job.id, **TASK)


def link_network(registry: Any, task_id: str, repetition: int, accuracy: float) -> str:
    key = f"{task_id}/{repetition}"
    registry.results.store_network(
        key=key,
        architecture="small_cnn",
        seed=0,
        classes=2,
        weights="w" * 64,
        parameters=10,
        validation_accuracy=0.9,
        validation_balanced_accuracy=accuracy,
        seconds=1.0,
    )
    registry.task_results.link_network(task_id, repetition, key)
    return key


def test_each_listed_task_has_its_own_figures(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        for name in ("odd", "even", "new"):
            add_task(registry, name)
        for repetition, accuracy in ((1, 0.7), (0, 0.6)):
            link_network(registry, "odd", repetition, accuracy)
        link_network(registry, "even", 0, 0.5)
        rows = registry.results.store_search("s", "random", [{"digest": d, "genotype": {}} for d in "abc"])
        registry.task_results.link_genotypes("odd", [row.id for row in rows])
    with reading(engine) as registry:
        figures = registry.task_results.figures(["odd", "new"])
    assert {name: (item.balanced_accuracies, item.genotypes) for name, item in figures.items()} == {
        "odd": ((0.6, 0.7), 3),
        "new": ((), 0),
    }


def test_baselines_are_counted_by_the_states_of_their_jobs(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        add_task(registry, "odd", ready=True)
        add_task(registry, "even")
        add_task(registry, "target", role=TaskRole.TARGET)
    with reading(engine) as registry:
        assert registry.task_results.baselines() == {JobState.SUCCEEDED: 1, JobState.QUEUED: 1}


def test_tasks_are_found_by_state_and_by_part_of_their_name(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        add_task(registry, "Odd_1", ready=True)
        add_task(registry, "odd-2")
        add_task(registry, "even", ready=True)
    with reading(engine) as registry:

        def named(**wanted: Any) -> list[str]:
            return sorted(row.task.name for row in registry.tasks.list(**wanted))

        assert named(part_of_name="oDD") == ["Odd_1", "odd-2"]
        assert named(part_of_name="_") == ["Odd_1"]
        assert named(state=JobState.SUCCEEDED) == ["Odd_1", "even"]
        assert named(state=JobState.SUCCEEDED, part_of_name="odd", role="baseline") == ["Odd_1"]


def test_distances_among_some_tasks_leave_out_those_to_others(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        keys = {}
        for name in ("a", "b", "c"):
            add_task(registry, name)
            keys[name] = link_network(registry, name, 0, 0.9)
        row = {"data_key": "d", "measure": "log_det", "recipe_digest": "r", "value": 2.0, "signed": 2.0}
        pairs = [("a", "b"), ("b", "a"), ("a", "c"), ("c", "b")]
        registry.results.store_distances(
            [{**row, "source_network": keys[source], "target_network": keys[target]} for source, target in pairs]
        )
    with reading(engine) as registry:
        entries = registry.results.matrix_among("log_det", ["r"], ["a", "b"])
    assert sorted(entry[:3] for entry in entries) == [("a", "b", 2.0), ("b", "a", 2.0)]


def test_a_recommendation_is_found_by_its_task_the_newest_first(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        ids = []
        for name in ("first", None):
            job = registry.jobs.insert("recommend", {})
            row = registry.recommendations.insert(
                name=name, job_id=job.id, task_id="t", request={}, document={}, created_at=len(ids) + 1.0
            )
            ids.append(row.id)
    with reading(engine) as registry:
        found = registry.recommendations.of_task("t")
        assert found is not None
        assert found.id == ids[1]
        assert registry.recommendations.of_task("another") is None
        assert registry.recommendations.names([*ids, "gone"]) == {ids[0]: "first", ids[1]: None}


def test_the_scored_genotypes_of_several_tasks_come_with_their_tasks_in_the_order_of_each_search(
    engine: Engine,
) -> None:
    score = {"validation_accuracy": 0.5, "validation_balanced_accuracy": 0.5}
    with unit_of_work(engine) as registry:
        for name in ("odd", "even", "other"):
            add_task(registry, name)
        rows = registry.results.store_search(
            "s",
            "random",
            [
                {"digest": "b", "genotype": {}, "epochs": 1, **score},
                {"digest": "a", "genotype": {}, "epochs": 3, **score},
                {"digest": "given", "genotype": {}},
                {"digest": "no epochs", "genotype": {}, **score},
            ],
        )
        for name in ("odd", "even", "other"):
            registry.task_results.link_genotypes(name, [row.id for row in rows])
    with reading(engine) as registry:
        found = registry.task_results.scored_genotypes(["odd", "even"])
        assert registry.task_results.scored_genotypes([]) == []
    assert [(task, row.digest) for task, row in found] == [("even", "b"), ("even", "a"), ("odd", "b"), ("odd", "a")]
