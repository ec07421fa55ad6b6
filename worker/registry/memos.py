"""Memos of jobs: values that one attempt computed, for the attempts after it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.registry.leases import Leases
from worker.registry.tables import JobMemoRow
from worker.registry.upsert import insert_missing


class Memos:
    """The rows of `job_memos`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def of_job(self, job_id: str) -> dict[str, Any]:
        """The JSON values in the job's memo by their names."""
        rows = self._session.execute(select(JobMemoRow.name, JobMemoRow.value).where(JobMemoRow.job_id == job_id))
        return dict(rows.all())

    def store(self, job_id: str, attempt: int, values: Mapping[str, Any]) -> None:
        """Store JSON values under their names; a name that has a value keeps it. Counts as progress.

        Raises:
            AttemptLostError: the job is no longer held by this attempt.
        """
        Leases(self._session).touch(job_id, attempt)
        insert_missing(
            self._session,
            JobMemoRow,
            [{"job_id": job_id, "name": name, "value": value} for name, value in values.items()],
        )
