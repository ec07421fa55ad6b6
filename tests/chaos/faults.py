"""What is done to the fleet while jobs are in flight. Each fault mends what it broke; processes start again later."""

import resource
import signal
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random

import psutil

from tests.chaos.fleet import WORKERS, Fleet, Runner, send, until
from worker.doorbell import Doorbell
from worker.errors import BrokerUnavailableError
from worker.messages import JobMessage
from worker.registry.models import Job, JobState
from worker.registry.session import reading

Fault = Callable[[Fleet, Random, list[str]], None]
"""Takes the fleet, the dice and the ids of the jobs in flight."""

FILE_SIZES = (0, 2_000, 40_000, 150_000)
"""Bytes that a file may have on a full disk: none, less than a message, less than weights, less than a database."""


def kill_runner(fleet: Fleet, random: Random, jobs: list[str]) -> None:
    """SIGKILL to the runners."""
    send(signal.SIGKILL, *(runner.computing for runner in some_runner(fleet)))


def kill_worker(fleet: Fleet, random: Random, jobs: list[str]) -> None:
    """SIGKILL to a worker, one that works if there is any."""
    fleet.kill(busy_worker(fleet, random))


def kill_api(fleet: Fleet, random: Random, jobs: list[str]) -> None:
    """SIGKILL to the API, while a client still asks for work."""
    fleet.kill("api")


def kill_dispatcher(fleet: Fleet, random: Random, jobs: list[str]) -> None:
    """SIGKILL to the dispatcher."""
    fleet.kill("dispatcher")


def restart_broker(fleet: Fleet, random: Random, jobs: list[str]) -> None:
    """The broker is killed and comes back (Valkey: empty; the folder: as it was)."""
    fleet.pair.take_broker_away()


def lose_messages(fleet: Fleet, random: Random, jobs: list[str]) -> None:
    """FLUSHALL, or every file of the folder deleted."""
    fleet.pair.lose_messages()


def take_database_away(fleet: Fleet, random: Random, jobs: list[str]) -> None:
    """PostgreSQL is stopped and started; SQLite is locked by somebody else for as long."""
    fleet.pair.take_database_away()


def freeze_worker(fleet: Fleet, random: Random, jobs: list[str]) -> None:
    """SIGSTOP to a worker and its runner until another attempt has begun, then SIGCONT: a zombie."""
    worker = busy_worker(fleet, random)
    pids = [fleet.pid(worker), *(pid for runner in fleet.runners(worker) for pid in _pids(runner))]
    held = _held(fleet, fleet.pid(worker))
    send(signal.SIGSTOP, *pids)
    try:
        with suppress(TimeoutError):
            until(
                lambda: all(_attempt(fleet, job) != fence for job, fence in held), "others go on", 4 * fleet.pace.lease
            )
    finally:
        send(signal.SIGCONT, *pids)


def freeze_runner(fleet: Fleet, random: Random, jobs: list[str]) -> None:
    """SIGSTOP to a runner alone: its worker's heart beats on, and nothing gets done."""
    runners = some_runner(fleet)
    send(signal.SIGSTOP, *(runner.computing for runner in runners))
    with suppress(TimeoutError):
        until(lambda: not set(runners) & set(fleet.runners()), "the runners are ended", 3 * fleet.pace.stall)


def ring_twice(fleet: Fleet, random: Random, jobs: list[str]) -> None:
    """Each message is delivered again at once, and again when its job has ended."""
    _ring(fleet, jobs * 2)
    with suppress(TimeoutError):
        until(lambda: not _unended(fleet, jobs), "the jobs end", fleet.pace.patience)
    _ring(fleet, jobs)
    until(lambda: _waiting(fleet) == 0, "the messages are taken", fleet.pace.patience)


def refuse_artifacts(fleet: Fleet, random: Random, jobs: list[str]) -> None:
    """The folders of the artifact store may not be written to."""
    folders = [fleet.store, *(path for path in fleet.store.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    time.sleep(fleet.pace.store_away)
    for folder in folders:
        folder.chmod(stat.S_IRWXU)


def fill_disk(fleet: Fleet, random: Random, jobs: list[str]) -> None:
    """No process of the fleet may let a file grow over a size, as if the disk were full."""
    with _largest_file(fleet, random.choice(FILE_SIZES)):
        time.sleep(fleet.pace.store_away)


def end_all(fleet: Fleet, random: Random, jobs: list[str]) -> None:
    """All processes are ended at once, by SIGKILL or by SIGTERM."""
    random.choice((fleet.kill, fleet.terminate))(*fleet.service_parts)


FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        kill_runner,
        kill_worker,
        kill_api,
        kill_dispatcher,
        restart_broker,
        lose_messages,
        take_database_away,
        freeze_worker,
        freeze_runner,
        ring_twice,
        refuse_artifacts,
        fill_disk,
        end_all,
    )
}


def some_runner(fleet: Fleet) -> list[Runner]:
    """The runners at work, as soon as there is one; none if none comes."""
    try:
        return until(fleet.runners, "a runner", 2.0)
    except TimeoutError:
        return []


def busy_worker(fleet: Fleet, random: Random) -> str:
    """A worker that has a runner, or any if none has."""
    return random.choice([runner.worker for runner in some_runner(fleet)] or list(WORKERS))


def _pids(runner: Runner) -> set[int]:
    return {runner.started, runner.computing}


def _jobs(fleet: Fleet) -> list[Job]:
    with reading(fleet.engine) as registry:
        return registry.jobs.list(state=JobState.RUNNING)


def _held(fleet: Fleet, pid: int) -> list[tuple[str, int]]:
    """The jobs that this worker holds, with their fences."""
    return [(job.id, job.attempt) for job in _jobs(fleet) if f":{pid}:" in (job.lease_owner or "")]


def _attempt(fleet: Fleet, job_id: str) -> int:
    with reading(fleet.engine) as registry:
        return registry.jobs.get(job_id).attempt


def _unended(fleet: Fleet, jobs: list[str]) -> list[str]:
    with reading(fleet.engine) as registry:
        return [job_id for job_id, state in registry.jobs.states(jobs).items() if not state.ended]


def _ring(fleet: Fleet, jobs: list[str]) -> None:
    with Doorbell(fleet.settings) as doorbell, suppress(BrokerUnavailableError):
        for job_id in jobs:
            doorbell.ring(JobMessage(job_id))


def _waiting(fleet: Fleet) -> int:
    with Doorbell(fleet.settings) as doorbell:
        return doorbell.waiting()


@contextmanager
def _largest_file(fleet: Fleet, size: int) -> Iterator[None]:
    limited: dict[int, tuple[int, int]] = {}
    for process in fleet.writers():
        with suppress(psutil.NoSuchProcess):
            old = process.rlimit(psutil.RLIMIT_FSIZE)
            process.rlimit(psutil.RLIMIT_FSIZE, (size, old[1]))
            limited[process.pid] = old
    try:
        yield
    finally:
        for process in fleet.writers():
            with suppress(psutil.NoSuchProcess):
                process.rlimit(psutil.RLIMIT_FSIZE, limited.get(process.pid, (resource.RLIM_INFINITY,) * 2))
