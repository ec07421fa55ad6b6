"""Jobs of tests: queued, claimed and given back."""

from worker.registry import Engine, unit_of_work


def queue_job(engine: Engine, **options: object) -> str:
    with unit_of_work(engine) as registry:
        return registry.jobs.insert("recommend", {"x": 1}, **options).id


def claim(engine: Engine, job_id: str, lease_seconds: float = 60.0) -> int:
    with unit_of_work(engine) as registry:
        job = registry.leases.claim(job_id, worker="w", lease_seconds=lease_seconds)
    assert job is not None
    return job.attempt


def release(
    engine: Engine, job_id: str, attempt: int, *, counts_as_failure: bool = True, delay_seconds: float = 0.0
) -> str:
    with unit_of_work(engine) as registry:
        return registry.leases.release(
            job_id, attempt, reason="asked to", counts_as_failure=counts_as_failure, delay_seconds=delay_seconds
        )
