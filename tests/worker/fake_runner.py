"""Stands in for `worker.queue.runner`: does what the job's parameter `do` says, as a runner would."""

import os
import signal
import sys
import time
from pathlib import Path

from worker.queue.exit_codes import Ending
from worker.registry import ADVANCED_IN, Engine, open_engine, reading, unit_of_work
from worker.settings import Settings
from worker.storage.artifacts import open_store


def act(engine: Engine, job_id: str, attempt: int) -> int:
    with reading(engine) as registry:
        params = registry.jobs.get(job_id).params
    match params["do"]:
        case "finish":
            with unit_of_work(engine) as registry:
                registry.leases.finish(job_id, attempt, {"device": os.environ["LDNAS_DEVICE"]})
            return Ending.RECORDED
        case "finish and tidy up":
            with unit_of_work(engine) as registry:
                registry.leases.finish(job_id, attempt, {})
            time.sleep(1.2)  # the worker looks twice a second
            Path(params["tidied"]).touch()
            return Ending.RECORDED
        case "fail":
            with unit_of_work(engine) as registry:
                registry.leases.fail(job_id, attempt, {"code": "too_few_images"})
            return Ending.RECORDED
        case "wait":
            with unit_of_work(engine) as registry:
                registry.leases.release(job_id, attempt, reason="waits", counts_as_failure=False, delay_seconds=60)
            return Ending.RELEASED
        case "forget":
            return Ending.RECORDED
        case "unavailable":
            return Ending.INFRASTRUCTURE
        case "crash":
            return 3
        case "kill":
            with unit_of_work(engine) as registry:
                registry.leases.progress(job_id, attempt, stage="train", fraction=None, message="")
            os.kill(os.getpid(), signal.SIGKILL)
        case "freeze inside":
            freeze_inside(engine, job_id, attempt, params["reached"])
        case "creep":
            creep(engine, job_id, attempt, params["last"])
            return Ending.RECORDED
        case "hang" | "stubborn" as kind:
            if kind == "stubborn":
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            hang_with_a_child(params.get("pids"))
    return 1


def creep(engine: Engine, job_id: str, attempt: int, last: int) -> None:
    """Save one step of a long stage beyond the checkpoint and wait for the machine to go down; or finish."""
    store = open_store(Settings.from_environment(os.environ))
    with reading(engine) as registry:
        pointer = registry.jobs.get(job_id).checkpoint
    step = int(store.read_checkpoint(pointer["name"]) or 0) if pointer else 0
    with unit_of_work(engine) as registry:
        registry.leases.progress(job_id, attempt, stage="train", fraction=0.0001 * step, message="")
        if step == last:
            registry.leases.finish(job_id, attempt, {"steps": step})
            return
        # As `Checkpoints` does, which would import torch.
        name = store.put_checkpoint(job_id, attempt, 1, str(step + 1).encode())
        registry.leases.save_checkpoint(job_id, attempt, {"key": "creep", "name": name, ADVANCED_IN: attempt})
    time.sleep(120)


def freeze_inside(engine: Engine, job_id: str, attempt: int, reached: float) -> None:
    """Report how far the job is, then stop between the first statement of a transaction and its commit."""
    with unit_of_work(engine) as registry:
        registry.leases.progress(job_id, attempt, stage="train", fraction=reached, message="")
    with unit_of_work(engine) as registry:
        registry.leases.touch(job_id, attempt)
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
