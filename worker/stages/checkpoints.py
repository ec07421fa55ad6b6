"""Checkpoints inside a long stage: at most one per job, under the content key of what it is a part of."""

import io
import json
import threading
import time
from typing import Any

import torch

from ldnas.train import FitState
from worker.artifacts import ArtifactStore
from worker.registry.errors import FenceLostError
from worker.registry.session import Engine, unit_of_work

INTERVAL_SECONDS = 10.0
"""How often a fit saves its state; a search does so after every iteration."""


class ShutdownError(Exception):
    """This process was asked to end, and the state of what it computes is saved: go no further."""


class Checkpoints:
    """Saves and finds the state of the stage that is under way.

    Once `stopping` is set the next state is due at once, and when it is saved the stage ends with `ShutdownError`.

    The order of a save is: new file, fenced pointer to it, old file gone. Killed at any point, the pointer names a
    whole file; without a fence the pointer stays what the new owner of the job made it.
    """

    def __init__(
        self,
        engine: Engine,
        store: ArtifactStore,
        job_id: str,
        fence: int,
        pointer: dict[str, Any] | None,
        *,
        stopping: threading.Event | None = None,
    ) -> None:
        self._engine = engine
        self._store = store
        self._job_id = job_id
        self._fence = fence
        self._pointer = pointer
        self._stopping = stopping or threading.Event()
        self._saved_at = time.monotonic()
        self._sequence = 0

    def load(self, key: str) -> bytes | None:
        """The checkpoint of the computation with this content key, or None."""
        if self._pointer is None or self._pointer["key"] != key:
            return None
        return self._store.read_checkpoint(self._pointer["name"])

    def due(self) -> bool:
        """Whether another save is worth its cost: enough time has passed since the last, or it is the last chance."""
        return self._stopping.is_set() or time.monotonic() - self._saved_at >= INTERVAL_SECONDS

    def save(self, key: str, content: bytes) -> None:
        """Keeps `content` as the state of the computation with this content key.

        Raises:
            FenceLostError: the job belongs to somebody else by now.
            ShutdownError: it is saved, and this process was asked to end.
        """
        self._sequence += 1
        name = self._store.put_checkpoint(self._job_id, self._fence, self._sequence, content)
        pointer = {"key": key, "name": name}
        try:
            with unit_of_work(self._engine) as registry:
                registry.jobs.save_checkpoint(self._job_id, self._fence, pointer)
        except FenceLostError:
            self._store.drop_checkpoint(name)
            raise
        if self._pointer is not None:
            self._store.drop_checkpoint(self._pointer["name"])
        self._pointer = pointer
        self._saved_at = time.monotonic()
        if self._stopping.is_set():
            raise ShutdownError


def fit_state_to_bytes(state: FitState) -> bytes:
    """A fit's state as a file of tensors and numbers only."""
    buffer = io.BytesIO()
    torch.save(vars(state), buffer)
    return buffer.getvalue()


def fit_state_from_bytes(content: bytes) -> FitState:
    """The reverse; nothing but tensors, numbers and containers is ever unpickled."""
    return FitState(**torch.load(io.BytesIO(content), map_location="cpu", weights_only=True))


def json_to_bytes(value: dict[str, Any]) -> bytes:
    """A JSON value as the bytes of a checkpoint."""
    return json.dumps(value).encode()


def json_from_bytes(content: bytes) -> dict[str, Any]:
    """The reverse."""
    value: dict[str, Any] = json.loads(content)
    return value
