"""A worker as the service starts it, but that its jobs are those of `service_runner.py`."""

import logging
import os
import sys

from worker.process.parent_watch import exit_with_parent
from worker.queue.worker_main import serve
from worker.settings import Settings

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    exit_with_parent(os.environ)
    runner = [sys.executable, "-m", "benchmarks.service_runner"]
    sys.exit(serve(Settings.from_environment(os.environ), ("cpu",), runner_command=runner))
