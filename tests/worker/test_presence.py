"""A worker reports its presence, and continues while the database is unavailable."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from worker.queue import presence
from worker.queue.presence import Presence
from worker.registry import Engine, SeenWorker, open_engine, reading

GPU = {"index": 0, "name": "NVIDIA H100", "memory_used_bytes": 5, "memory_total_bytes": 80}


def listed(engine: Engine) -> list[SeenWorker]:
    with reading(engine) as registry:
        return registry.workers.list()


def test_a_worker_is_listed_while_it_is_there_and_renews_itself(engine: Engine) -> None:
    looks = threading.Semaphore(0)

    def look() -> list[dict[str, Any]]:
        looks.release()
        return [GPU]

    with Presence(engine, ["cuda:0", "cuda:1"], 0.05, look_at_gpus=look) as worker:
        for _ in range(4):  # the fourth look comes after the third beat was committed
            assert looks.acquire(timeout=30)
        [seen] = listed(engine)
        assert (seen.row.name, seen.row.devices, seen.row.gpus) == (worker.name, ["cuda:0", "cuda:1"], [GPU])
        assert seen.row.seen_at > seen.row.started_at
    assert listed(engine) == []


def test_two_runs_of_one_process_have_different_names(engine: Engine) -> None:
    assert Presence(engine, [], 1.0).name != Presence(engine, [], 1.0).name


def test_a_database_that_is_away_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    away = open_engine("postgresql://ldnas@127.0.0.1:1/ldnas")
    asked = threading.Semaphore(0)

    def look() -> list[dict[str, Any]]:
        asked.release()
        return []

    with Presence(away, ["cpu"], 0.01, look_at_gpus=look):
        for _ in range(3):
            assert asked.acquire(timeout=30)
    assert "the worker cannot send its heartbeat" in caplog.text
    assert "the worker is still listed" in caplog.text
    away.dispose()


def test_the_driver_is_asked_for_every_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []
    monkeypatch.setattr(presence.pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(presence.pynvml, "nvmlShutdown", lambda: ended.append(True))
    monkeypatch.setattr(presence.pynvml, "nvmlDeviceGetCount", lambda: 2)
    monkeypatch.setattr(presence.pynvml, "nvmlDeviceGetHandleByIndex", lambda index: index)
    monkeypatch.setattr(presence.pynvml, "nvmlDeviceGetName", lambda handle: f"GPU {handle}")
    monkeypatch.setattr(
        presence.pynvml, "nvmlDeviceGetMemoryInfo", lambda handle: SimpleNamespace(used=handle + 1, total=80)
    )
    assert presence.gpus() == [
        {"index": 0, "name": "GPU 0", "memory_used_bytes": 1, "memory_total_bytes": 80},
        {"index": 1, "name": "GPU 1", "memory_used_bytes": 2, "memory_total_bytes": 80},
    ]
    assert ended == [True]


def test_without_a_driver_there_are_no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise presence.pynvml.NVMLError_LibraryNotFound

    monkeypatch.setattr(presence.pynvml, "nvmlInit", missing)
    assert presence.gpus() == []
