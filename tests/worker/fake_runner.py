"""Stands in for `worker.queue.runner`: does what the job's parameter `do` says, as a runner would."""

import os
import signal
import sys
import time
from pathlib import Path

from worker.queue.exit_codes import Ending
from worker.registry.session import Engine, open_engine, reading, unit_of_work
from worker.settings import Settings


def act(engine: Engine, job_id: str, fence: int) -> int:
    with reading(engine) as registry:
        params = registry.jobs.get(job_id).params
    match params["do"]:
        case "finish":
            with unit_of_work(engine) as registry:
                registry.jobs.finish(job_id, fence, {"device": os.environ["LDNAS_DEVICE"]})
            return Ending.RECORDED
        case "finish and tidy up":
            with unit_of_work(engine) as registry:
                registry.jobs.finish(job_id, fence, {})
            time.sleep(1.2)  # the worker looks twice a second
            Path(params["tidied"]).touch()
            return Ending.RECORDED
        case "fail":
            with unit_of_work(engine) as registry:
                registry.jobs.fail(job_id, fence, {"code": "too_few_images"})
            return Ending.RECORDED
        case "wait":
            with unit_of_work(engine) as registry:
                registry.jobs.release(job_id, fence, reason="waits", counts_as_failure=False, delay_seconds=60)
            return Ending.RELEASED
        case "forget":
            return Ending.RECORDED
        case "unavailable":
            return Ending.INFRASTRUCTURE
        case "crash":
            return 3
        case "kill":
            with unit_of_work(engine) as registry:
                registry.jobs.progress(job_id, fence, stage="train", fraction=None, message="")
            os.kill(os.getpid(), signal.SIGKILL)
        case "freeze inside":
            freeze_inside(engine, job_id, fence, params["reached"])
        case "hang" | "stubborn" as kind:
            if kind == "stubborn":
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            hang_with_a_child(params.get("pids"))
    return 1


def freeze_inside(engine: Engine, job_id: str, fence: int, reached: float) -> None:
    """Report how far the job is, then stop between the first statement of a transaction and its commit."""
    with unit_of_work(engine) as registry:
        registry.jobs.progress(job_id, fence, stage="train", fraction=reached, message="")
    with unit_of_work(engine) as registry:
        registry.jobs.touch(job_id, fence)
        os.kill(os.getpid(), signal.SIGSTOP)


def hang_with_a_child(pids: str | None) -> None:
    child = os.fork()
    if child and pids:
        draft = Path(pids + ".draft")
        draft.write_text(f"{os.getpid()} {child}")
        draft.rename(pids)
    time.sleep(120)


if __name__ == "__main__":
    opened = open_engine(Settings.from_environment(os.environ).database_url)
    sys.exit(act(opened, sys.argv[1], int(sys.argv[2])))
