"""Sets the number of threads that a job computes on."""

import logging
import os
from collections.abc import Mapping

import torch

from ldnas.training.threads import fastest_thread_count
from worker.jobs.context import JobContext
from worker.jobs.memo import Codec

log = logging.getLogger(__name__)

FIXED_BY = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""The variables with which an operator fixes the number; it is not measured then."""

_COUNT = Codec[int](to_json=int, from_json=int)


def set_threads(context: JobContext, environment: Mapping[str, str] = os.environ) -> None:
    """Compute on the number of threads that is fastest as the job begins, on a processor alone.

    Sums depend on the number of threads in their last bits. So the job's memo keeps the number, and a later attempt
    uses it again, except on a machine with fewer cores.

    Raises:
        AttemptLostError: another process holds the job by now.
    """
    own = torch.get_num_threads()
    if context.compute.device.type != "cpu" or own == 1 or any(environment.get(name) for name in FIXED_BY):
        return
    count = min(own, context.once("threads", fastest_thread_count, _COUNT))
    torch.set_num_threads(count)
    log.info("the job computes on %d of %d threads", count, own)
    context.event("threads", {"threads": count, "of": own})
