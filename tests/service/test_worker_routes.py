"""`GET /v1/workers`, and the workers in `/metrics`."""

import httpx

from tests.service.test_metrics import of, scraped
from worker.registry import Engine, JobKind, unit_of_work

GPU = {"index": 1, "name": "NVIDIA H100", "memory_used_bytes": 5, "memory_total_bytes": 80}
FACTS = {"host": "gpu-3", "devices": ["cuda:0", "cuda:1"], "version": "0.1", "heartbeat_seconds": 15.0, "gpus": [GPU]}


def test_workers_are_listed_with_what_they_do(http: httpx.Client, engine: Engine) -> None:
    assert http.get("/v1/workers").json() == {"items": [], "next": None}
    with unit_of_work(engine) as registry:
        registry.workers.beat(id="a" * 32, name="gpu-3:41:aaaaaa", **FACTS)
        job = registry.jobs.insert(JobKind.RECOMMEND, {}).id
        registry.leases.claim(job, worker="gpu-3:41:aaaaaa:cuda:1", lease_seconds=60)
    [worker] = http.get("/v1/workers").json()["items"]
    [running] = worker.pop("jobs")
    assert worker.pop("started_at") <= worker.pop("seen_at")
    assert worker == FACTS | {"id": "a" * 32, "name": "gpu-3:41:aaaaaa", "slots": 2, "alive": True}
    assert running.pop("started_at")
    assert running == {"id": job, "kind": "recommend", "stage": None, "device": "cuda:1"}


def test_metrics_count_the_workers_that_are_alive_and_each_gpu_once(http: httpx.Client, engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        registry.workers.beat(id="a" * 32, name="a", **FACTS)
        registry.workers.beat(id="b" * 32, name="b", **FACTS | {"gpus": [GPU | {"memory_used_bytes": 7}]})
        registry.workers.beat(id="c" * 32, name="c", **FACTS | {"heartbeat_seconds": -1.0, "host": "gone"})
    found = scraped(http)
    assert of(found, "ldnas_workers") == 2
    assert of(found, "ldnas_worker_slots") == 4
    assert of(found, "ldnas_gpu_memory_used_bytes", host="gpu-3", gpu="1") == 7
    assert of(found, "ldnas_gpu_memory_bytes", host="gpu-3", gpu="1") == 80
    assert ("ldnas_gpu_memory_bytes", frozenset({("host", "gone"), ("gpu", "1")})) not in found
