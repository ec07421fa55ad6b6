"""Handles one message: claims its job, supervises a runner for it, and makes sure that the job's row is closed."""

import logging
import signal
import threading
import time
from collections.abc import Sequence
from enum import Enum, auto

from ldnas.data.shown_uri import shown_uri
from ldnas.errors import UnreadableDatasetError
from worker.errors import AttemptLostError, DatabaseUnavailableError, NotFoundError, failure_of
from worker.process.logs import bind, log_fields
from worker.process.module_command import module_command
from worker.process.tracing import PARENT, span, traceparent
from worker.queue.exit_codes import Ending, retry_delay
from worker.queue.fork_server_process import ForkServerProcess
from worker.queue.lease_keeper import LeaseKeeper
from worker.queue.runner_process import RunnerProcess, describe_exit
from worker.registry import Engine, JobRow, reading, unit_of_work
from worker.settings import Settings

log = logging.getLogger(__name__)

RUNNER_COMMAND = module_command("worker.queue.runner")

_CRASHES = frozenset({signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP})
"""Signals with which native code crashes its own process."""

LEAVING_SECONDS = 2.0
"""How long a runner that lost its job to another process may take to end by itself."""

CLEANING_SECONDS = 20.0
"""How long a runner that has recorded the end of its job may take to clean up and to unload its libraries."""


class _Stop(Enum):
    """Why the worker ends a runner."""

    CANCELLED = auto()
    ATTEMPT_LOST = auto()
    NOT_RENEWED = auto()
    STALLED = auto()
    SHUTDOWN = auto()


def run_job(
    settings: Settings,
    engine: Engine,
    job_id: str,
    stopping: threading.Event,
    *,
    worker: str = "worker",
    runner_command: Sequence[str] = RUNNER_COMMAND,
    fork_server: ForkServerProcess | None = None,
) -> None:
    """Claim the job and run it to an end, a wait or a release; return at once if it cannot be claimed.

    The runner is forked by the fork server, and started by the command where that cannot fork or is None.

    Raises:
        DatabaseUnavailableError: at the claim; the dispatcher will publish again.
    """
    if fork_server is not None:
        fork_server.prepare(stopping)
    if stopping.is_set():
        return
    claimed_at = time.monotonic()
    with unit_of_work(engine) as registry:
        job = registry.leases.claim(job_id, worker=worker, lease_seconds=settings.lease_seconds)
    if job is None:
        return
    ids = {"job_id": job.id, "request_id": job.request_id}
    about = span(f"attempt {job.kind}", job.traceparent, attempt=job.attempt, **ids)
    with log_fields(**ids, stage=job.stage), about:
        log.info("job %s: attempt %d of a %s job begins", job.id, job.attempt, job.kind)
        keeper = LeaseKeeper(settings, engine, job, claimed_at=claimed_at)
        _run_claimed(settings, engine, job, keeper, stopping, runner_command, fork_server)
        log.info("job %s: attempt %d is over", job.id, job.attempt)


def _run_claimed(
    settings: Settings,
    engine: Engine,
    job: JobRow,
    keeper: LeaseKeeper,
    stopping: threading.Event,
    runner_command: Sequence[str],
    fork_server: ForkServerProcess | None,
) -> None:
    attempt = _Attempt(settings, engine, job.id, job.attempt)
    environment = {**settings.as_environment(), PARENT: traceparent() or ""}
    try:
        arguments = (job.id, str(job.attempt))
        runner = RunnerProcess(runner_command, environment, arguments=arguments, fork_server=fork_server)
    except OSError as error:  # memory or processes ran out, or the program does not exist
        attempt.conclude(error)
        return
    try:
        with keeper:
            outcome = _until_over(settings, runner, keeper, stopping)
            if outcome is _Stop.SHUTDOWN:  # only then does the runner save its state
                runner.ask_to_end(settings.shutdown_seconds)
            elif outcome is _Stop.ATTEMPT_LOST:
                runner.wait(CLEANING_SECONDS if attempt.has_ended() else LEAVING_SECONDS)
        if isinstance(outcome, _Stop) and runner.wait(0) is None:
            log.info("job %s: killing its runner (%s)", job.id, outcome.name.lower())
    finally:
        runner.close()
    attempt.conclude(outcome)


def _until_over(
    settings: Settings, runner: RunnerProcess, keeper: LeaseKeeper, stopping: threading.Event
) -> int | _Stop:
    """The runner's exit status, or the reason to end it; decided by this process's clock, never waiting for SQL."""
    while True:
        status = runner.wait(settings.poll_seconds)
        if status is not None:
            return status
        if stopping.is_set():
            return _Stop.SHUTDOWN
        lease = keeper.view()
        bind(stage=lease.stage)
        if lease.attempt_lost:
            return _Stop.ATTEMPT_LOST
        if lease.cancel_requested:
            return _Stop.CANCELLED
        # One poll before the lease ends: from then on another worker may hold the job.
        if lease.unrenewed_seconds > settings.lease_seconds - settings.poll_seconds:
            return _Stop.NOT_RENEWED
        if lease.unprogressed_seconds > settings.stall_seconds:
            return _Stop.STALLED


class _Attempt:
    """Records the end of one claimed job in its row, after its runner has ended."""

    def __init__(self, settings: Settings, engine: Engine, job_id: str, attempt: int) -> None:
        self._settings = settings
        self._engine = engine
        self._job_id = job_id
        self._attempt = attempt

    def conclude(self, outcome: int | _Stop | OSError) -> None:
        """Close the job's row unless the runner has done so; if the write fails now, the sweep closes it later."""
        try:
            self._close_row(outcome)
        except AttemptLostError:
            return  # the runner recorded the end itself, or another process holds the job by now
        except DatabaseUnavailableError as error:
            log.warning("job %s: left to the sweep: %s", self._job_id, error)

    def has_ended(self) -> bool:
        """Whether the job ended under this attempt: most likely its runner recorded that, and is cleaning up."""
        try:
            with reading(self._engine) as registry:
                job = registry.jobs.get(self._job_id)
        except (DatabaseUnavailableError, NotFoundError):
            return False
        return job.attempt == self._attempt and job.state.ended

    def _close_row(self, outcome: int | _Stop | OSError) -> None:
        if outcome is _Stop.CANCELLED:
            with unit_of_work(self._engine) as registry:
                registry.leases.confirm_cancel(self._job_id, self._attempt)
        elif outcome is _Stop.SHUTDOWN:
            self._release("the worker was shut down", counts_as_failure=False)
        elif outcome is _Stop.NOT_RENEWED:
            self._release(f"its lease could not be renewed within {self._settings.lease_seconds:g} s")
        elif outcome is _Stop.STALLED:
            self._release(f"no progress for {self._settings.stall_seconds:g} s")
        elif outcome == Ending.INFRASTRUCTURE:
            self._release("a service that the runner needs is unavailable", delay_seconds=retry_delay(self._attempt))
        elif isinstance(outcome, OSError):
            self._release(f"the runner could not be started: {outcome}", delay_seconds=retry_delay(self._attempt))
        elif outcome == -signal.SIGKILL:
            with unit_of_work(self._engine) as registry:
                how = describe_exit(outcome)
                state = registry.leases.release_killed(self._job_id, self._attempt, how=how)
            log.warning("job %s: its runner was killed (%s); now %s", self._job_id, how, state)
        elif isinstance(outcome, int) and -outcome in _CRASHES:
            self._close_after_crash(describe_exit(outcome))
        elif outcome == Ending.SAVED:
            self._release("the runner was asked to end", counts_as_failure=False)
        elif isinstance(outcome, int):
            # After RECORDED, RELEASED and ATTEMPT_LOST the attempt does not hold the job and this changes nothing.
            self._release(f"the runner ended without recording a result: {describe_exit(outcome)}")

    def _close_after_crash(self, how: str) -> None:
        with unit_of_work(self._engine) as registry:
            params = registry.jobs.get(self._job_id).params
            task = registry.tasks.get(params.get("task_id") or params["target_task_id"])
            uri = shown_uri(task.dataset["uri"])
            unreadable = UnreadableDatasetError(
                f"{uri} could not be read: it crashed the process that reads it, twice ({how})",
                field="dataset.uri",
                origin=uri,
            )
            state = registry.leases.release_crashed(
                self._job_id, self._attempt, how=how, unreadable=failure_of(unreadable)
            )
        log.warning("job %s: its runner crashed (%s); now %s", self._job_id, how, state)

    def _release(self, reason: str, *, counts_as_failure: bool = True, delay_seconds: float = 0.0) -> None:
        with unit_of_work(self._engine) as registry:
            state = registry.leases.release(
                self._job_id,
                self._attempt,
                reason=reason,
                counts_as_failure=counts_as_failure,
                delay_seconds=delay_seconds,
            )
        log.warning("job %s: %s; now %s", self._job_id, reason, state)
