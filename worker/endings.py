"""How a runner tells its worker what became of the job: by the status it exits with."""

from enum import IntEnum

MAX_RETRY_DELAY_SECONDS = 60.0
"""How long a job waits at most after a failure around it; the delay doubles with each one."""


class Ending(IntEnum):
    """Exit statuses of a runner; any other, and every signal, means that it crashed."""

    RECORDED = 0  # the job's end is in the database
    INFRASTRUCTURE = 75  # database, broker or store failed (EX_TEMPFAIL of sysexits.h)
    RELEASED = 76  # the job waits for others and is queued again
    FENCE_LOST = 77  # the job is somebody else's by now
    SAVED = 78  # asked to end, it saved where it is; its worker gives the job back
