"""Registers a worker in the registry, from its start to its end."""

import logging
import os
import socket
import threading
from collections.abc import Callable, Sequence
from importlib.metadata import version
from types import TracebackType
from typing import Any, Self

import pynvml

from worker.errors import DatabaseUnavailableError
from worker.registry import Engine, new_id, unit_of_work

log = logging.getLogger(__name__)


def gpus() -> list[dict[str, Any]]:
    """Each GPU's `index`, `name`, `memory_used_bytes` and `memory_total_bytes`; empty without a driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        return [_facts(index) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:  # a GPU that fell off the bus must not end the worker
        return []
    finally:
        pynvml.nvmlShutdown()


def _facts(index: int) -> dict[str, Any]:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return {
        "index": index,
        "name": str(pynvml.nvmlDeviceGetName(handle)),
        "memory_used_bytes": int(memory.used),
        "memory_total_bytes": int(memory.total),
    }


class Presence:
    """A row of `workers`, renewed by its own thread and deleted after the context; failures are only logged.

    Attributes:
        name: host, process and a unique part, because process ids repeat between containers.
    """

    def __init__(
        self,
        engine: Engine,
        devices: Sequence[str],
        heartbeat_seconds: float,
        *,
        look_at_gpus: Callable[[], list[dict[str, Any]]] = gpus,
    ) -> None:
        self._id = new_id()
        self.name = f"{socket.gethostname()[:128]}:{os.getpid()}:{self._id[:6]}"
        self._engine = engine
        self._look_at_gpus = look_at_gpus
        self._facts: dict[str, Any] = {
            "id": self._id,
            "name": self.name,
            "host": socket.gethostname()[:128],
            "devices": [*devices],
            "version": version("ldnas"),
            "heartbeat_seconds": heartbeat_seconds,
        }
        self._heartbeat_seconds = heartbeat_seconds
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._beat_until_left, name="presence", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._leaving.set()
        self._thread.join()
        try:
            with unit_of_work(self._engine) as registry:
                registry.workers.leave(self._id)
        except DatabaseUnavailableError as reason:
            log.warning("the worker is still listed: %s", reason)

    def _beat_until_left(self) -> None:
        while True:
            try:
                with unit_of_work(self._engine) as registry:
                    registry.workers.beat(**self._facts, gpus=self._look_at_gpus())
            except DatabaseUnavailableError as reason:
                log.warning("the worker cannot send its heartbeat: %s", reason)
            if self._leaving.wait(self._heartbeat_seconds):
                return
