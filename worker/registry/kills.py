"""What is made of a runner that was killed from outside, without a reason: most likely memory ran out.

A kernel out of memory kills the process that has most of it; no error reaches the program, so that nothing in it can
take smaller batches instead.
"""

from worker.registry.job_models import Job

FULL_BATCH = 64
"""Images that a network trains on at a time where nothing else is known."""


def takes_fewer_images(job: Job) -> bool:
    """Whether the job's next attempt takes half as many images at a time; notes that, and where the runner was killed.

    Not after the first kill in a stage, which may have had another reason, nor where it is one image already.
    """
    stage = job.stage or ""
    again, job.killed_in = job.killed_in == stage, stage
    size = job.micro_batch or FULL_BATCH
    if not again or size == 1:
        return False
    job.micro_batch = size // 2
    return True


def describe_kill(job: Job, how: str) -> str:
    """The reason that a job's history and failure tell."""
    size = job.micro_batch
    taken = "whole batches" if size is None else "1 image at a time" if size == 1 else f"{size} images at a time"
    return f"the runner was killed from outside, most likely for want of memory, its networks taking {taken}: {how}"
