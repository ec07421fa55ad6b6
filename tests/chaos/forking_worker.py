"""A worker whose runners are started by the command on its command line, or as ever where there is none.

`warm` in place of a command has them forked by a fork server of the worker's own, as the product does.
"""

import logging
import os
import sys
from contextlib import nullcontext

from worker.process.parent_watch import exit_with_parent
from worker.queue.fork_server_process import ForkServerProcess
from worker.queue.tasks import RUNNER_COMMAND
from worker.queue.worker_main import serve
from worker.settings import Settings

WARM = "warm"
WARM_RUNNER = "tests.chaos.warm_runner"
FORK_SERVER = (sys.executable, "-m", "worker.queue.fork_server", WARM_RUNNER)

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = Settings.from_environment(os.environ)
    exit_with_parent(os.environ)
    warm = sys.argv[1:] == [WARM]
    with ForkServerProcess(FORK_SERVER) if warm else nullcontext() as fork_server:
        command = (sys.executable, "-m", WARM_RUNNER) if warm else sys.argv[1:] or RUNNER_COMMAND
        status = serve(settings, (settings.device,), runner_command=command, fork_server=fork_server)
    sys.exit(status)
