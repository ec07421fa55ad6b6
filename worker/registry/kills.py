"""What is made of a runner that ended without a reason: killed from outside, or crashed in a library's native code.

Who is killed from outside most likely had too little memory: a kernel out of it kills the process that has most; no
error reaches the program, so that nothing in it can take smaller batches instead. Who crashes has met a bug, or a file
that was made to be met by one.
"""

from worker.registry.job_models import Job

FULL_BATCH = 64
"""Images that a network trains on at a time where nothing else is known."""

READS_IMAGES = "resolve"
"""The stage in which a job reads files that anyone may have made."""


def takes_fewer_images(job: Job) -> bool:
    """Whether the job's next attempt takes half as many images at a time; notes that, and where the runner was killed.

    Not after the first kill in a stage, which may have had another reason, nor where it is one image already. Nor
    before any network is at work: while the runner starts, which is not noted, and while the job reads its images.
    """
    if job.stage is None:
        return False
    again, job.killed_in = job.killed_in == job.stage, job.stage
    size = job.micro_batch or FULL_BATCH
    if not again or size == 1 or job.stage == READS_IMAGES:
        return False
    job.micro_batch = size // 2
    return True


def describe_kill(job: Job, how: str) -> str:
    """The reason that a job's history and failure tell."""
    size = job.micro_batch
    taken = "whole batches" if size is None else "1 image at a time" if size == 1 else f"{size} images at a time"
    return f"the runner was killed from outside, most likely for want of memory, its networks taking {taken}: {how}"


def crashed_again(job: Job) -> bool:
    """Whether the attempt before crashed in the same stage too, and notes that this one did; not while it starts."""
    if job.stage is None:
        return False
    mark = f"crash in {job.stage}"
    again, job.killed_in = job.killed_in == mark, mark
    return again
