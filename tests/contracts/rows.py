"""Rows that the contracts put into the registry."""

from worker.registry import Engine, NetworkRow, Registry, TaskRow, unit_of_work


def add_task(registry: Registry, name: str, role: str = "baseline") -> TaskRow:
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
    job = registry.leases.claim(job_id, worker="w", lease_seconds=60)
    assert job is not None
    registry.leases.finish(job_id, job.attempt, {})


def store_network(registry: Registry, key: str, accuracy: float = 0.9) -> NetworkRow:
    return registry.results.store_network(
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


def task_with_networks(engine: Engine, name: str, repetitions: int) -> str:
    """A task whose network r is called by its name and r."""
    with unit_of_work(engine) as registry:
        task = add_task(registry, name, role="target" if name == "x" else "baseline")
        for repetition in range(repetitions):
            store_network(registry, f"{name}{repetition}")
            registry.task_results.link_network(task.id, repetition, f"{name}{repetition}")
        return task.id
