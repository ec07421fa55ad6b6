"""The exit statuses with which a runner reports the end of its job to its worker."""

from enum import IntEnum

MAX_RETRY_DELAY_SECONDS = 60.0
"""The longest delay of a job after an infrastructure failure; the delay doubles with each failure."""


def retry_delay(attempt: int) -> float:
    """Seconds before the next attempt after an infrastructure failure of this one, counted from 1."""
    # A job that waits for others has thousands of attempts, and no float holds 2 to that power.
    return min(MAX_RETRY_DELAY_SECONDS, 2.0 ** min(attempt - 1, 10))


class Ending(IntEnum):
    """Exit statuses of a runner; any other, and every signal, means that it crashed."""

    RECORDED = 0  # the job's end is in the database
    INFRASTRUCTURE = 75  # database, broker or store failed (EX_TEMPFAIL of sysexits.h)
    RELEASED = 76  # the job waits for others and is queued again
    ATTEMPT_LOST = 77  # another process holds the job by now
    SAVED = 78  # asked to end, it saved its state; its worker releases the job
