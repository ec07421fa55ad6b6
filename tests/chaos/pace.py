"""How long the service may take here: what runners need before they do anything sets all other times."""

import subprocess
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """Seconds of one run of chaos.

    Attributes:
        lease: without a sign of life a worker has lost its job.
        stall: without progress a runner is ended.
        patience: what has not come to its end by then is lost.
        longest_delay: between the first request of a round and its fault; about as long as a job takes.
        store_away: for as long nothing can be written into the artifact store.
    """

    lease: float
    stall: float
    patience: float
    longest_delay: float
    store_away: float


SHORT = Pace(lease=6.0, stall=9.0, patience=180.0, longest_delay=4.0, store_away=2.5)
FULL = Pace(lease=20.0, stall=60.0, patience=180.0, longest_delay=1.5, store_away=2.5)


def pace_of(runners: str) -> Pace:
    """The pace of these runners; for `real` ones the machine is measured as busy as it is now."""
    if runners == "real":
        return real_pace(import_seconds())
    return FULL if runners == "full" else SHORT


def real_pace(imports: float) -> Pace:
    """Of runners that take so many seconds to import torch and the rest: their whole job takes about seven times that.

    The factors leave room for a machine that becomes three times as busy after it was measured.
    """
    return Pace(
        lease=max(15.0, 5 * imports),
        stall=max(30.0, 10 * imports),
        patience=max(180.0, 90 * imports),
        longest_delay=6 * imports,
        store_away=2 * imports,
    )


def import_seconds() -> float:
    """How long a fresh process takes to load what a runner needs, once its files are in memory."""
    command = (sys.executable, "-c", "import worker.queue.runner")
    subprocess.run(command, check=True)
    began = time.monotonic()
    subprocess.run(command, check=True)
    return time.monotonic() - began
