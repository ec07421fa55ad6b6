"""Records runners that ended without an error: killed from outside, or crashed in a library's native code.

A runner that was killed from outside most likely ran out of memory: a kernel without free memory kills the process that
uses most. No error reaches the program, so it cannot take smaller batches by itself. A runner that crashed has hit a
bug, perhaps through a file that was made to trigger it.
"""

from worker.registry.tables import JobRow

FULL_BATCH = 64
"""The assumed number of images at a time for a job that has no smaller size yet."""

READS_IMAGES = "resolve"
"""The stage in which a job reads untrusted files."""


def record_kill(job: JobRow) -> bool:
    """Record the stage of the kill; return whether the job's next attempt takes half as many images at a time.

    The size stays after the first kill in a stage, which may have had another reason, and if it is one image already.
    It also stays before any network runs: while the runner starts, which is not recorded, and while the job reads its
    images.
    """
    if job.stage is None:
        return False
    again, job.killed_in = job.killed_in == job.stage, job.stage
    size = job.micro_batch or FULL_BATCH
    if not again or size == 1 or job.stage == READS_IMAGES:
        return False
    job.micro_batch = size // 2
    return True


def describe_kill(job: JobRow, how: str) -> str:
    """The reason for the job's history and its failure."""
    size = job.micro_batch
    taken = "whole batches" if size is None else "1 image at a time" if size == 1 else f"{size} images at a time"
    return f"the runner was killed from outside, most likely because memory ran out, its networks taking {taken}: {how}"


def record_crash(job: JobRow) -> bool:
    """Record the stage of the crash; return whether the attempt before crashed in the same stage. Not at the start."""
    if job.stage is None:
        return False
    mark = f"crash in {job.stage}"
    again, job.killed_in = job.killed_in == mark, mark
    return again
