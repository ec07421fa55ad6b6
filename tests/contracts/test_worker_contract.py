"""Which workers there are, alike on SQLite and PostgreSQL."""

from typing import Any

from sqlalchemy import text

from worker.registry import Engine, JobKind, SeenWorker, reading, unit_of_work


def beat(engine: Engine, id: str = "a", **columns: Any) -> None:
    facts = {"name": f"host:{id}", "host": "host", "devices": ["cpu"], "version": "1", "heartbeat_seconds": 10.0}
    with unit_of_work(engine) as registry:
        registry.workers.beat(id=id, **{"gpus": [], **facts, **columns})


def listed(engine: Engine) -> list[SeenWorker]:
    with reading(engine) as registry:
        return registry.workers.list()


def age(engine: Engine, id: str, seconds: float) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE workers SET seen_at = seen_at - :s, started_at = started_at - :s WHERE id = :id"),
            {"s": seconds, "id": id},
        )


def test_a_worker_is_listed_from_its_first_beat_until_it_leaves(engine: Engine) -> None:
    beat(engine, "a")
    beat(engine, "b")
    with unit_of_work(engine) as registry:
        registry.workers.leave("a")
    assert [seen.row.id for seen in listed(engine)] == ["b"]


def test_a_beat_renews_the_sign_of_life_and_not_the_start(engine: Engine) -> None:
    beat(engine)
    age(engine, "a", 100)
    [old] = listed(engine)
    beat(engine, gpus=[{"index": 0}])
    [new] = listed(engine)
    assert new.row.started_at == old.row.started_at
    assert new.row.seen_at > old.row.seen_at + 50
    assert new.row.gpus == [{"index": 0}]


def test_a_worker_is_alive_for_three_of_its_own_heartbeats(engine: Engine) -> None:
    beat(engine, "quick", heartbeat_seconds=10.0)
    beat(engine, "slow", heartbeat_seconds=60.0, devices=["cuda:0", "cuda:1"])
    for worker in ("quick", "slow"):
        age(engine, worker, 100)
    assert {seen.row.id: seen.alive for seen in listed(engine)} == {"quick": False, "slow": True}
    with reading(engine) as registry:
        assert registry.workers.devices() == ["cuda:0", "cuda:1"]


def test_a_worker_is_listed_with_the_jobs_that_it_holds(engine: Engine) -> None:
    beat(engine, "1", name="host:1")
    beat(engine, "12", name="host:12")
    with unit_of_work(engine) as registry:
        jobs = [registry.jobs.insert(JobKind.RECOMMEND, {}).id for _ in range(3)]
        for job, owner in zip(jobs, ("host:1:cuda:0", "host:12:cpu", "host:1:cuda:1"), strict=True):
            registry.leases.claim(job, worker=owner, lease_seconds=60)
        registry.leases.finish(jobs[2], 1, {})
    assert {seen.row.id: [job.id for job in seen.jobs] for seen in listed(engine)} == {"1": jobs[:1], "12": jobs[1:2]}


def test_a_worker_that_was_lost_is_forgotten_after_a_day_and_known_again_when_it_speaks(engine: Engine) -> None:
    beat(engine, "lost")
    beat(engine, "late")
    age(engine, "lost", 86_500)
    age(engine, "late", 86_000)
    with unit_of_work(engine) as registry:
        assert registry.workers.forget_lost() == 1
    assert [seen.row.id for seen in listed(engine)] == ["late"]
    beat(engine, "lost")
    assert {seen.row.id: seen.alive for seen in listed(engine)} == {"lost": True, "late": False}
