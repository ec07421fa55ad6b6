"""The faults of the fleet while jobs are in flight. Each fault repairs its damage; processes start again later."""

import os
import resource
import signal
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import psutil

from tests.chaos import freezes
from tests.chaos.fleet import Fleet, until
from tests.chaos.servers import Servers
from tests.chaos.strikes import Strike, busy_worker, strike_part, strike_runner
from worker.errors import BrokerUnavailableError
from worker.queue.messages import JobMessage
from worker.queue.publisher import Publisher
from worker.registry import reading

Fault = Callable[[Fleet, Random, list[str]], Strike | None]
"""Takes the fleet, the dice and the ids of the jobs in flight; gives what it struck where it strikes a process."""

FILE_SIZES = (0, 2_000, 40_000, 150_000)
"""Bytes that a file may have on a full disk: none, less than a message, less than weights, less than a database."""


def kill_runner(fleet: Fleet, random: Random, jobs: list[str]) -> Strike:
    """SIGKILL to the runners, or to one inside its transaction."""
    return strike_runner(fleet, random, signal.SIGKILL)


def kill_worker(fleet: Fleet, random: Random, jobs: list[str]) -> Strike:
    """SIGKILL to a worker, one that works if there is any."""
    return _kill(fleet, random, busy_worker(fleet, random))


def kill_api(fleet: Fleet, random: Random, jobs: list[str]) -> Strike:
    """SIGKILL to the API, while a client still asks for work."""
    return _kill(fleet, random, "api")


def kill_dispatcher(fleet: Fleet, random: Random, jobs: list[str]) -> Strike:
    """SIGKILL to the dispatcher."""
    return _kill(fleet, random, "dispatcher")


def restart_broker(fleet: Fleet, random: Random, jobs: list[str]) -> None:
    """The broker is killed and comes back (Valkey: empty; the folder: as it was)."""
    fleet.pair.take_broker_away()


def lose_messages(fleet: Fleet, random: Random, jobs: list[str]) -> None:
    """FLUSHALL, or every file of the folder deleted."""
    fleet.pair.lose_messages()


def take_database_away(fleet: Fleet, random: Random, jobs: list[str]) -> None:
    """PostgreSQL is stopped and started; SQLite is locked by another process for as long."""
    fleet.pair.take_database_away()


def ring_twice(fleet: Fleet, random: Random, jobs: list[str]) -> None:
    """Each message is delivered again at once, and again when its job has ended."""
    _ring(fleet, jobs * 2)
    with suppress(TimeoutError):
        until(lambda: not _unended(fleet, jobs), "the jobs end", fleet.pace.patience)
    _ring(fleet, jobs)
    until(lambda: _waiting(fleet) == 0, "the messages are taken", fleet.pace.patience)


def refuse_artifacts(fleet: Fleet, random: Random, jobs: list[str]) -> None:
    """The folders of the artifact store may not be written to."""
    folders = [Path(folder) for folder, _, _ in os.walk(fleet.store)]
    _set_mode(folders, stat.S_IRUSR | stat.S_IXUSR)
    time.sleep(fleet.pace.store_away)
    _set_mode(folders, stat.S_IRWXU)


def _set_mode(folders: Iterable[Path], mode: int) -> None:
    for folder in folders:
        with suppress(FileNotFoundError):  # the checkpoints of a job that has just ended
            folder.chmod(mode)


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
        freezes.freeze_worker,
        freezes.freeze_runner,
        ring_twice,
        refuse_artifacts,
        fill_disk,
        end_all,
        freezes.freeze_dispatcher,
        freezes.freeze_api,
        freezes.freeze_cleaner,
        freezes.stop_reading,
        freezes.freeze_backend,
        freezes.freeze_broker,
        freezes.swallow_packets,
    )
}

FREEZES = tuple(name for name, fault in FAULTS.items() if fault.__module__ == freezes.__name__)
"""The faults that stop something and end nothing."""

_OF_SERVERS = ("freeze_backend", "freeze_broker", "swallow_packets")
"""Faults of processes and of a network that only the pair of servers has."""


def faults_of(pair: str, *, freezes_only: bool = False) -> list[str]:
    """The names of the faults that this pair can have."""
    names = FREEZES if freezes_only else tuple(FAULTS)
    return [name for name in names if pair == Servers.name or name not in _OF_SERVERS]


def _kill(fleet: Fleet, random: Random, name: str) -> Strike:
    struck = strike_part(fleet, random, name, signal.SIGKILL)
    fleet.kill(name)  # it is dead already, and no crash
    return struck


def _unended(fleet: Fleet, jobs: list[str]) -> list[str]:
    with reading(fleet.engine) as registry:
        return [job_id for job_id, state in registry.jobs.states(jobs).items() if not state.ended]


def _ring(fleet: Fleet, jobs: list[str]) -> None:
    with Publisher(fleet.settings) as publisher, suppress(BrokerUnavailableError):
        for job_id in jobs:
            publisher.publish(JobMessage(job_id))


def _waiting(fleet: Fleet) -> int:
    with Publisher(fleet.settings) as publisher:
        return publisher.waiting()


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
