"""One process for one attempt at one job: `python -m worker.queue.runner JOB_ID ATTEMPT`.

Exits with an `Ending`, which reports the end of the job. It ends at once when its standard input closes, so that it
never outlives the worker that started it, and its end frees the GPU. On SIGTERM it saves its state after the current
epoch or iteration, and then ends.
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ldnas.errors import RefusedError
from ldnas.training.allocator import keep_freed_memory
from ldnas.training.out_of_memory import is_out_of_memory, too_large
from worker.errors import AttemptLostError, DatabaseUnavailableError, failure_of, internal_failure
from worker.jobs import distances, recommend, register, study, train_again
from worker.jobs.checkpoints import Checkpoints, ShutdownError
from worker.jobs.context import JobContext
from worker.jobs.stages.baselines import WaitingForBaselinesError
from worker.jobs.stages.export import trace
from worker.jobs.threads import set_threads
from worker.process.logs import bind, configure_logging, log_fields
from worker.process.names import RUNNER, name_process
from worker.process.side_process import SideProcess
from worker.process.stop_signals import stop_on
from worker.process.tracing import PARENT, configure_tracing, span
from worker.queue.exit_codes import Ending, retry_delay
from worker.registry import Engine, JobRow, open_engine, reading, unit_of_work
from worker.settings import Settings
from worker.storage.artifacts import ArtifactStore, open_store

logger = logging.getLogger("worker.queue.runner")


_KINDS: dict[str, tuple[Callable[[JobContext, dict[str, Any]], dict[str, Any]], dict[str, float]]] = {
    "register_task": (register.register_task, register.PLAN),
    "recommend": (recommend.recommend, recommend.PLAN),
    "distances": (distances.measure_distances, distances.PLAN),
    "train_architecture": (train_again.train_again, train_again.PLAN),
    "study": (study.study, study.PLAN),
}


def main() -> None:
    """Entry point of the process."""
    name_process(RUNNER)
    keep_freed_memory()
    tracing = SideProcess(trace)
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    stopping = stop_on(signal.SIGTERM)
    job_id, attempt = sys.argv[1], int(sys.argv[2])
    settings = Settings.from_environment(os.environ)
    configure_logging(settings.log_format)
    spans = configure_tracing("runner")
    ending = run(settings, open_engine(settings.database_url), job_id, attempt, stopping, tracing)
    if spans is not None:
        spans.shutdown()  # sends the last ones
    logging.shutdown()
    # Not `sys.exit`: the interpreter would visit every object of torch, in a fork on pages that it first has to copy.
    os._exit(ending)


def run(
    settings: Settings,
    engine: Engine,
    job_id: str,
    attempt: int,
    stopping: threading.Event | None = None,
    tracing: SideProcess | None = None,
) -> Ending:
    """Compute the job and record its end, all as `attempt`; or save its state, once `stopping` is set.

    `tracing` computes `trace` meanwhile; with None the export does so itself.
    """
    with log_fields(job_id=job_id), span("runner", os.environ.get(PARENT), job_id=job_id):
        store = open_store(settings, for_job=True)
        return _Attempt(settings, engine, store, job_id, attempt, stopping or threading.Event(), tracing).run()


@dataclass(frozen=True, eq=False)
class _Attempt:
    """One attempt of a job, with what it works on."""

    settings: Settings
    engine: Engine
    store: ArtifactStore
    job_id: str
    attempt: int
    stopping: threading.Event
    tracing: SideProcess | None

    def run(self) -> Ending:
        try:
            return self._run()
        except AttemptLostError:
            logger.warning("job %s is held by another process now; this attempt writes nothing more", self.job_id)
            return Ending.ATTEMPT_LOST
        except DatabaseUnavailableError as error:
            logger.error("job %s: the database is unavailable: %s", self.job_id, error)
            return Ending.INFRASTRUCTURE

    def _run(self) -> Ending:
        try:
            with reading(self.engine) as registry:
                job = registry.jobs.get(self.job_id)
            bind(request_id=job.request_id)
            work, plan = _KINDS[job.kind]
            context = self._context(job, plan)
            set_threads(context)
            result = work(context, job.params)
        except WaitingForBaselinesError as waiting:
            return self._release_waiting(waiting)
        except ShutdownError:
            logger.info("job %s: asked to end; its state is saved", self.job_id)
            return Ending.SAVED
        except RefusedError as refusal:
            return self._fail(failure_of(refusal))
        except (
            OSError
        ) as error:  # a full disk, a missing volume: it may pass, and the job's history must have the reason
            return self._release_failed(error)
        except (AttemptLostError, DatabaseUnavailableError):
            raise
        except Exception as error:  # the only handler of bugs: the job's row must be closed in any case
            if is_out_of_memory(error):  # outside of a network's passes, so smaller batches would not help
                logger.exception("job %s does not fit in memory", self.job_id)
                return self._fail(failure_of(too_large(str(error), "this job")))
            logger.exception("job %s: an internal error", self.job_id)
            return self._fail(internal_failure(self.job_id))
        with unit_of_work(self.engine) as registry:
            registry.leases.finish(self.job_id, self.attempt, result)
        self._tidy_up()
        return Ending.RECORDED

    def _context(self, job: JobRow, plan: dict[str, float]) -> JobContext:
        return JobContext(
            settings=self.settings,
            engine=self.engine,
            store=self.store,
            checkpoints=Checkpoints(
                self.engine, self.store, job.id, self.attempt, job.checkpoint, stopping=self.stopping
            ),
            job_id=job.id,
            attempt=self.attempt,
            device=_device(self.settings.device),
            plan=plan,
            micro_batch=job.micro_batch,
            tracing=self.tracing,
        )

    def _release_waiting(self, waiting: WaitingForBaselinesError) -> Ending:
        pause = self.settings.wait_seconds
        with unit_of_work(self.engine) as registry:
            registry.leases.add_event(self.job_id, self.attempt, "waiting", {"baselines": list(waiting.names)})
            registry.leases.release(
                self.job_id, self.attempt, reason=str(waiting), counts_as_failure=False, delay_seconds=pause
            )
        return Ending.RELEASED

    def _release_failed(self, error: OSError) -> Ending:
        """Queue the job again; its history has the reason."""
        logger.error("job %s: an infrastructure failure: %s", self.job_id, error)
        delay = retry_delay(self.attempt)
        with unit_of_work(self.engine) as registry:
            registry.leases.release(
                self.job_id, self.attempt, reason=str(error), counts_as_failure=True, delay_seconds=delay
            )
        return Ending.RELEASED

    def _fail(self, error: dict[str, Any]) -> Ending:
        with unit_of_work(self.engine) as registry:
            registry.leases.fail(self.job_id, self.attempt, error)
        self._tidy_up()
        return Ending.RECORDED

    def _tidy_up(self) -> None:
        """Remove the job's checkpoints; its end is recorded, so a failure of the store no longer affects it."""
        try:
            self.store.drop_checkpoints(self.job_id, attempt=self.attempt)
        except OSError as error:
            logger.warning("job %s: its checkpoints stay: %s", self.job_id, error)


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


def _end_with_standard_input() -> None:
    # The file descriptor itself: a reader blocked inside sys.stdin would hold its lock at interpreter shutdown.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(Ending.INFRASTRUCTURE)


if __name__ == "__main__":
    main()
