"""Renews the lease of one job in its own thread, which may wait for the database; its readers never wait."""

import logging
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from worker.errors import AttemptLostError, DatabaseUnavailableError
from worker.process.logs import log_fields
from worker.registry import Engine, JobRow, LeaseStatus, reading, unit_of_work
from worker.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LeaseView:
    """The job as last read; ages are seconds on this process's own clock, whatever the database does.

    Attributes:
        unrenewed_seconds: since the start of the last successful renewal, or since the claim.
        unprogressed_seconds: since the last observed change of the job's progress.
    """

    attempt_lost: bool
    cancel_requested: bool
    stage: str | None
    unrenewed_seconds: float
    unprogressed_seconds: float


class LeaseKeeper:
    """Reads the job at every poll and renews its lease at every heartbeat, from entry to exit."""

    def __init__(self, settings: Settings, engine: Engine, job: JobRow, *, claimed_at: float) -> None:
        """`claimed_at` is the time of this process's monotonic clock before the claim."""
        self._settings = settings
        self._engine = engine
        self._job_id = job.id
        self._attempt = job.attempt
        self._renewed_at = claimed_at
        self._progressed_at = claimed_at
        self._progress_seen = job.progressed_at
        self._stage: str | None = job.stage
        self._cancel_requested = False
        self._attempt_lost = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"lease {job.id}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # Not joined: the thread may be waiting for the database, and its writes there are fenced.
        self._closing.set()

    def view(self) -> LeaseView:
        """The job as last read, without waiting."""
        now = time.monotonic()
        return LeaseView(
            attempt_lost=self._attempt_lost,
            cancel_requested=self._cancel_requested,
            stage=self._stage,
            unrenewed_seconds=now - self._renewed_at,
            unprogressed_seconds=now - self._progressed_at,
        )

    def _keep(self) -> None:
        with log_fields(job_id=self._job_id):
            while not self._closing.wait(self._settings.poll_seconds):
                try:
                    self._note(self._look())
                except AttemptLostError:
                    self._attempt_lost = True
                    return
                except DatabaseUnavailableError as error:
                    log.warning("job %s: the database is unavailable: %s", self._job_id, error)

    def _look(self) -> LeaseStatus:
        began = time.monotonic()
        if began - self._renewed_at < self._settings.heartbeat_seconds:
            with reading(self._engine) as registry:
                return registry.leases.watch(self._job_id, self._attempt)
        with unit_of_work(self._engine) as registry:
            status = registry.leases.renew(self._job_id, self._attempt, lease_seconds=self._settings.lease_seconds)
        self._renewed_at = began
        return status

    def _note(self, status: LeaseStatus) -> None:
        if status.progressed_at != self._progress_seen:
            self._progress_seen = status.progressed_at
            self._progressed_at = time.monotonic()
        self._stage = status.stage
        self._cancel_requested = status.cancel_requested
