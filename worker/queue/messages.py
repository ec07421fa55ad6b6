"""The one message that travels through the broker: the id of a job, and nothing else."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker.errors import InvalidMessageError

RUN_JOB = "ldnas.run_job"
"""Name of the only Celery task."""


@dataclass(frozen=True)
class JobMessage:
    """The message for one job. It carries no state: its receiver reads the database."""

    job_id: str

    def to_kwargs(self) -> dict[str, str]:
        """The message as the keyword arguments of the Celery task."""
        return {"job_id": self.job_id}

    @classmethod
    def from_kwargs(cls, kwargs: Mapping[str, Any]) -> "JobMessage":
        """Read the message from the keyword arguments that a broker delivered.

        Raises:
            InvalidMessageError: anything but one `job_id` of 32 hexadecimal digits.
        """
        job_id = kwargs.get("job_id")
        if set(kwargs) != {"job_id"} or not isinstance(job_id, str) or not re.fullmatch(r"[0-9a-f]{32}", job_id):
            raise InvalidMessageError(f"expected {{'job_id': 32 hexadecimal digits}}, got {dict(kwargs)!r}")
        return cls(job_id)
