"""A worker as the service starts it, but that its runners have the stopwatch of `job_probe.py`."""

import logging
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from worker.process.parent_watch import exit_with_parent
from worker.queue.worker_main import serve
from worker.settings import Settings

PROBE = Path(__file__).with_name("job_probe.py")


def main() -> None:
    logging.basicConfig(level=logging.INFO)
    exit_with_parent(os.environ)
    settings = Settings.from_environment(os.environ)
    command = [sys.executable, "-P", str(PROBE)]
    options: dict[str, Any] = {}
    # Not in an older checkout, which this is compared with.
    context: Any = nullcontext()
    if getattr(settings, "warm_runner", "off") == "on":
        from worker.process.module_command import module_command
        from worker.queue.fork_server_process import LOADED_LATER, ForkServerProcess

        context = ForkServerProcess(module_command("worker.queue.fork_server", "benchmarks.job_probe", *LOADED_LATER))
    with context as server:
        if server is not None:
            options["fork_server"] = server
        status = serve(settings, ("cpu",), runner_command=command, **options)
    sys.exit(status)


if __name__ == "__main__":
    main()
