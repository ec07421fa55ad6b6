"""Faults that end no process: a part stops, or falls silent, and the rest of the service has to continue.

A fault continues what it froze within `FROZEN_SECONDS`, or kills it, as a supervisor would. A frozen runner is the
exception: its worker has to end it.
"""

import signal
import socket
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from random import Random

from tests.chaos.fleet import CLEANER, Fleet, Runner, send, until
from tests.chaos.locks import Backend, any_backend, backend_with_locks, lock_held
from tests.chaos.strikes import TRAP_SECONDS, Strike, busy_worker, strike_part, strike_runner
from tests.chaos.traps import first_words
from worker.registry import LIMITS, JobRow, JobState, new_id, reading, unit_of_work
from worker.storage.cleaner import DAY_SECONDS

FROZEN_SECONDS = LIMITS.idle + 2.0
"""Longer than PostgreSQL lets a transaction stand still, shorter than the limit of a call."""

KILLED_SHARE = 0.3
"""How often a frozen part is killed instead of continued."""

CLEANER_SECONDS = 30.0
"""How long the cleaner's process may take until it has begun to clean."""

SILENT_CLIENTS = 2
FILLING_REQUESTS = 8
"""Requests for the API's large OpenAPI document: their answers nearly fill what the kernel takes for a client."""
SILENT_REQUESTS = 500
"""Requests after them for rows of the database: the rest of the room is too small for their answers."""


def freeze_worker(fleet: Fleet, random: Random, jobs: list[str]) -> Strike:
    """SIGSTOP to a worker and its runner until another attempt has begun, then SIGCONT: a zombie.

    Where it holds locks, no other attempt can begin, and the fault continues or kills it after `FROZEN_SECONDS`.
    """
    worker = busy_worker(fleet, random)
    runners: list[int] = []
    try:
        struck = strike_part(fleet, random, worker, signal.SIGSTOP)
        runners += [pid for runner in fleet.runners(worker) for pid in _pids(runner)]
        send(signal.SIGSTOP, *runners)
        if struck.inside or struck.lock_held:
            time.sleep(FROZEN_SECONDS)
        else:
            _wait_for_others(fleet, _held(fleet, fleet.pid(worker)))
    finally:
        _end_freeze(fleet, random, worker)
        send(signal.SIGCONT, *runners)
    return struck


def freeze_runner(fleet: Fleet, random: Random, jobs: list[str]) -> Strike:
    """SIGSTOP to a runner alone: its worker's heart beats on, and nothing gets done."""
    struck = strike_runner(fleet, random, signal.SIGSTOP)
    with suppress(TimeoutError):
        until(
            lambda: not set(struck.pids) & {runner.computing for runner in fleet.runners()},
            "the runners are ended",
            3 * fleet.pace.stall,
        )
    return struck


def freeze_dispatcher(fleet: Fleet, random: Random, jobs: list[str]) -> Strike:
    """SIGSTOP to the dispatcher for a while."""
    return _freeze(fleet, random, "dispatcher")


def freeze_api(fleet: Fleet, random: Random, jobs: list[str]) -> Strike:
    """SIGSTOP to the API for a while; its clients wait."""
    return _freeze(fleet, random, "api")


def freeze_cleaner(fleet: Fleet, random: Random, jobs: list[str]) -> Strike:
    """SIGSTOP to a process that cleans the database, after it deleted the row of a lost worker, and SIGKILL later."""
    _add_lost_worker(fleet)
    fleet.traps.arm(CLEANER, signal.SIGSTOP, begins="DELETE FROM workers")
    fleet.start_cleaner()
    try:
        record = fleet.traps.wait(CLEANER, CLEANER_SECONDS)
        if record is None:
            raise TimeoutError(f"the cleaner deleted nothing within {CLEANER_SECONDS:g} s")
        struck = Strike((record.pid,), record.statement, lock_held(fleet.engine))
        time.sleep(FROZEN_SECONDS)
        send(signal.SIGCONT, record.pid)
        time.sleep(random.uniform(0.0, 1.0))  # its commit, or the news that its connection is gone
    finally:
        fleet.kill(CLEANER)
    return struck


def stop_reading(fleet: Fleet, random: Random, jobs: list[str]) -> Strike:
    """Clients ask for all distances as CSV and for a job's events, and read nothing of the answers."""
    paths = ["/v1/distances?format=csv"] * SILENT_CLIENTS + [f"/v1/jobs/{job}/events" for job in jobs]
    with ExitStack() as connections:
        for path in paths:
            client = connections.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the kernel's smallest
            client.settimeout(1.0)
            with suppress(OSError):  # the server takes no more of it
                client.connect(("127.0.0.1", fleet.settings.port))
                client.sendall(_get("/openapi.json") * FILLING_REQUESTS + _get(path) * SILENT_REQUESTS)
        held = lock_held(fleet.engine)
        time.sleep(FROZEN_SECONDS)
    return Strike((), None, held)


def freeze_backend(fleet: Fleet, random: Random, jobs: list[str]) -> Strike:
    """SIGSTOP to one process of PostgreSQL that serves the fleet, in a transaction if there is one soon."""
    backend = _some_backend(fleet)
    with _frozen([backend.pid]):
        held = lock_held(fleet.engine)
        time.sleep(FROZEN_SECONDS)
    return Strike((backend.pid,), backend.statement and first_words(backend.statement), held)


def freeze_broker(fleet: Fleet, random: Random, jobs: list[str]) -> Strike:
    """SIGSTOP to Valkey for a while."""
    with _frozen([fleet.pair.broker_pid]):
        held = lock_held(fleet.engine)
        time.sleep(FROZEN_SECONDS)
    return Strike((fleet.pair.broker_pid,), None, held)


def swallow_packets(fleet: Fleet, random: Random, jobs: list[str]) -> Strike:
    """The network between the fleet and its servers swallows every packet for a while."""
    backend = _some_backend(fleet)
    fleet.network.pause()
    try:
        held = lock_held(fleet.engine)
        time.sleep(FROZEN_SECONDS)
    finally:
        fleet.network.resume()
    return Strike((), first_words(backend.statement) if held and backend.statement else None, held)


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def _freeze(fleet: Fleet, random: Random, name: str) -> Strike:
    try:
        struck = strike_part(fleet, random, name, signal.SIGSTOP)
        time.sleep(FROZEN_SECONDS)
    finally:
        _end_freeze(fleet, random, name)
    return struck


def _end_freeze(fleet: Fleet, random: Random, name: str) -> None:
    """Continue the part, or kill it, as the dice say."""
    if random.random() < KILLED_SHARE:
        fleet.kill(name)
    else:
        send(signal.SIGCONT, fleet.pid(name))


@contextmanager
def _frozen(pids: Collection[int]) -> Iterator[None]:
    """SIGSTOP to the processes; SIGCONT at the end, and also when the body itself waits for one of them."""
    timer = threading.Timer(FROZEN_SECONDS, send, (signal.SIGCONT, *pids))
    send(signal.SIGSTOP, *pids)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        send(signal.SIGCONT, *pids)


def _some_backend(fleet: Fleet) -> Backend:
    """A process of PostgreSQL that serves the fleet: one that holds locks, or any where none does for a while."""
    with suppress(TimeoutError):
        return until(lambda: backend_with_locks(fleet.engine), "a transaction holds locks", TRAP_SECONDS)
    return any_backend(fleet.engine)


def _wait_for_others(fleet: Fleet, held: list[tuple[str, int]]) -> None:
    """Until other attempts at these jobs have begun."""
    with suppress(TimeoutError):
        until(
            lambda: all(_attempt(fleet, job) != attempt for job, attempt in held),
            "others continue",
            4 * fleet.pace.lease,
        )


def _add_lost_worker(fleet: Fleet) -> None:
    """A row for the cleaner to delete: a worker that was seen two days ago."""
    id = new_id()
    with unit_of_work(fleet.engine) as registry:
        facts = {"id": id, "name": f"lost:{id}", "host": "lost", "devices": ["cpu"], "gpus": [], "version": "0"}
        registry.workers.beat(**facts, heartbeat_seconds=1.0, seen_at=time.time() - 2 * DAY_SECONDS)


def _pids(runner: Runner) -> set[int]:
    return {runner.started, runner.computing}


def _held(fleet: Fleet, pid: int) -> list[tuple[str, int]]:
    """The jobs that this worker holds, with their fences."""
    return [(job.id, job.attempt) for job in _running(fleet) if f":{pid}:" in (job.lease_owner or "")]


def _running(fleet: Fleet) -> list[JobRow]:
    with reading(fleet.engine) as registry:
        return registry.jobs.list(state=JobState.RUNNING)


def _attempt(fleet: Fleet, job_id: str) -> int:
    with reading(fleet.engine) as registry:
        return registry.jobs.get(job_id).attempt
