"""Checkpoints inside a long stage: at most one per job, under the content key of the interrupted computation."""

import io
import json
import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

import torch

from worker.errors import AttemptLostError
from worker.registry import ADVANCED_IN, Engine, unit_of_work
from worker.storage.artifacts import ArtifactStore

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 10.0
"""How often a fit saves its state; a search does so after every iteration."""


class ShutdownError(Exception):
    """This process was asked to end, or gives way to another job, and has saved its state: stop here."""


class Checkpoints:
    """Saves and loads the state of the current stage.

    Once `stopping` is set the next state is due at once, and after saving it the stage ends with `ShutdownError`.

    A save writes the new file, then the fenced pointer to it, then removes the old file. Whenever the process is
    killed, the pointer names a whole file; an attempt that lost the job cannot change the new owner's pointer.
    """

    def __init__(
        self,
        engine: Engine,
        store: ArtifactStore,
        job_id: str,
        attempt: int,
        pointer: dict[str, Any] | None,
        *,
        stopping: threading.Event | None = None,
    ) -> None:
        self._engine = engine
        self._store = store
        self._job_id = job_id
        self._attempt = attempt
        self._pointer = pointer
        self._stopping = stopping or threading.Event()
        self._saved_at = time.monotonic()
        self._sequence = 0
        self._starts_over = False

    def load(self, key: str) -> bytes | None:
        """The checkpoint of the computation with this content key, or None."""
        if self._pointer is None or self._pointer["key"] != key:
            return None
        content = self._store.read_checkpoint(self._pointer["name"])
        self._starts_over = content is None
        return content

    def stop(self) -> None:
        """Make the next state due at once, and end the stage with `ShutdownError` after it was saved."""
        self._stopping.set()

    def pass_boundary(self) -> None:
        """Between two computations whose results are stored: end the stage if this process was asked to end.

        Raises:
            ShutdownError: it was.
        """
        if self._stopping.is_set():
            raise ShutdownError

    def _drop(self, name: str) -> None:
        """Remove a replaced checkpoint; if that fails, the cleaner does it later, and the new one is as good."""
        try:
            self._store.drop_checkpoint(name)
        except OSError as error:
            log.warning("the replaced checkpoint %s stays for the cleaner: %s", name, error)

    def due(self) -> bool:
        """Whether to save now: enough time has passed since the last save, or it is the last chance."""
        return self._stopping.is_set() or time.monotonic() - self._saved_at >= INTERVAL_SECONDS

    def save(self, key: str, content: bytes) -> None:
        """Save `content` as the state of the computation with this content key.

        Raises:
            AttemptLostError: another process holds the job by now.
            ShutdownError: the state is saved, and this process was asked to end.
        """
        self._sequence += 1
        name = self._store.put_checkpoint(self._job_id, self._attempt, self._sequence, content)
        # Every save follows at least one epoch or iteration: it is further than the state before, unless that is lost.
        pointer: dict[str, Any] = {"key": key, "name": name}
        if not self._starts_over:
            pointer[ADVANCED_IN] = self._attempt
        try:
            with unit_of_work(self._engine) as registry:
                registry.leases.save_checkpoint(self._job_id, self._attempt, pointer)
        except AttemptLostError:
            self._store.drop_checkpoint(name)
            raise
        replaced, self._pointer = self._pointer, pointer
        self._saved_at = time.monotonic()
        if replaced is not None:
            self._drop(replaced["name"])
        if self._stopping.is_set():
            raise ShutdownError


def tensors_to_bytes(value: Mapping[str, Any]) -> bytes:
    """Tensors, numbers, texts and containers of them as the bytes of a checkpoint."""
    buffer = io.BytesIO()
    torch.save(dict(value), buffer)
    return buffer.getvalue()


def tensors_from_bytes(content: bytes) -> dict[str, Any]:
    """The inverse, with the tensors on the CPU; nothing else is ever unpickled."""
    value: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return value


def json_to_bytes(value: dict[str, Any]) -> bytes:
    """A JSON value as the bytes of a checkpoint."""
    return json.dumps(value).encode()


def json_from_bytes(content: bytes) -> dict[str, Any]:
    """The inverse."""
    value: dict[str, Any] = json.loads(content)
    return value
