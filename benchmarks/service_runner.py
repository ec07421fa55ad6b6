"""Stands in for `worker.queue.runner`: takes its time without the processor, then records a result.

    python -m benchmarks.service_runner JOB ATTEMPT

Two workers on one machine are to be compared, not the cores of that machine: what a job computes it would compute on
its own GPU. Everything around it is real: message, claim, lease, process, attempt, end.
"""

import os
import sys
import time

from worker.queue.exit_codes import Ending
from worker.registry import open_engine, unit_of_work
from worker.settings import Settings

JOB_SECONDS = 2.0


def main() -> None:
    engine = open_engine(Settings.from_environment(os.environ).database_url)
    time.sleep(JOB_SECONDS)
    with unit_of_work(engine) as registry:
        registry.leases.finish(sys.argv[1], int(sys.argv[2]), {})
    engine.dispose()
    sys.exit(Ending.RECORDED)


if __name__ == "__main__":
    main()
