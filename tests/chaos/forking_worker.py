"""A worker whose runners are started by the command on its command line, or as ever where there is none."""

import logging
import os
import sys

from worker.process.parent_watch import exit_with_parent
from worker.queue.tasks import RUNNER_COMMAND
from worker.queue.worker_main import serve
from worker.settings import Settings

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = Settings.from_environment(os.environ)
    exit_with_parent(os.environ)
    sys.exit(serve(settings, (settings.device,), runner_command=sys.argv[1:] or RUNNER_COMMAND))
