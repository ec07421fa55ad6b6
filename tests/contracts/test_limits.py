"""Every wait on PostgreSQL ends: the server ends it, and the connection does where the server cannot."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, make_url, select, text

from tests.contracts.conftest import create_database
from tests.contracts.jobs import queue_job
from tests.relay import Relay
from worker.errors import DatabaseUnavailableError
from worker.registry import (
    JOB,
    LIMITS,
    LONG_LIMITS,
    Engine,
    Limits,
    QuickReader,
    new_id,
    open_engine,
    reading,
    unit_of_work,
)
from worker.settings import Settings

SHORT = Limits(idle=1.0, lock=3.0, statement=1.5, transaction=4.0)
"""Like the real ones, a tenth as long; the order of `idle` and `lock` is theirs."""

FREEZES_INSIDE = """
import os, signal, sys
from worker.registry.postgresql import Limits
from worker.registry.session import open_engine, unit_of_work
with unit_of_work(open_engine(sys.argv[1], Limits(*map(float, sys.argv[3:])))) as registry:
    registry.jobs.request_cancel(sys.argv[2])
    print("locked", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.fixture
def url(postgresql_url: str, migrated_postgresql: str) -> str:
    """A migrated PostgreSQL database without any row."""
    return create_database(postgresql_url, f"test_{new_id()}", migrated_postgresql)


@contextmanager
def opened(url: str, limits: Limits = SHORT) -> Iterator[Engine]:
    engine = open_engine(url, limits)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def frozen_inside(url: str, job_id: str, limits: Limits = SHORT) -> Iterator[subprocess.Popen[str]]:
    """A process that is stopped between its first statement, which locks the job's row, and its commit."""
    settings = limits.idle, limits.lock, limits.statement, limits.transaction
    command = [sys.executable, "-c", FREEZES_INSIDE, url, job_id, *map(str, settings)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "locked\n"
            yield process
        finally:
            process.kill()


def cancel(engine: Engine, job_id: str, meanwhile: Callable[[], None] = lambda: None) -> None:
    with unit_of_work(engine) as registry:
        registry.jobs.now()
        meanwhile()
        registry.jobs.request_cancel(job_id)


def settings_of(engine: Engine) -> dict[str, str]:
    names = SHORT.settings()
    with engine.connect() as connection:
        return {name: connection.scalar(text(f"SHOW {name}")) for name in names}


def test_every_connection_has_limits_well_under_a_lease(url: str) -> None:
    with opened(url, LIMITS) as engine:
        assert settings_of(engine) == {
            "idle_in_transaction_session_timeout": "10s",
            "lock_timeout": "12s",
            "statement_timeout": "15s",
            "transaction_timeout": "20s",
        }
    lease = Settings.from_environment({}).lease_seconds
    assert max(LIMITS.idle, LIMITS.lock, LIMITS.statement, LIMITS.transaction) <= lease / 3
    assert LIMITS.idle < LIMITS.lock, "who waits for a frozen client's lock gets it"


def test_the_url_overrides_them_one_by_one(url: str) -> None:
    options = "-c lock_timeout=3s -c statement_timeout=40min"
    with opened(make_url(url).update_query_dict({"options": options}).render_as_string(hide_password=False)) as engine:
        assert settings_of(engine) == {
            "idle_in_transaction_session_timeout": "1s",
            "lock_timeout": "3s",
            "statement_timeout": "40min",
            "transaction_timeout": "4s",
        }
        with engine.connect() as connection:
            assert connection.connection.driver_connection.answer_seconds == 2402.0


def test_without_a_limit_on_statements_the_connection_waits_as_long(url: str) -> None:
    unlimited = make_url(url).update_query_dict({"options": "-c statement_timeout=0"})
    with opened(unlimited.render_as_string(hide_password=False)) as engine, engine.connect() as connection:
        assert connection.connection.driver_connection.answer_seconds is None


def test_migrations_have_limits_of_their_own_and_wait_for_a_lock_shortly_all_the_same() -> None:
    assert LONG_LIMITS.statement >= 3600
    assert LONG_LIMITS.lock <= 30


def test_a_frozen_clients_transaction_is_ended_and_its_locks_are_free_again(url: str) -> None:
    with opened(url) as engine:
        job_id = queue_job(engine)
        with frozen_inside(url, job_id):
            began = time.monotonic()
            with unit_of_work(engine) as registry:
                assert registry.jobs.request_cancel(job_id).state == "cancelled"
            assert time.monotonic() - began < SHORT.lock


def test_a_client_that_was_frozen_hears_of_it_as_an_unavailable_database(url: str) -> None:
    with opened(url) as engine:
        job_id = queue_job(engine)
        with frozen_inside(url, job_id) as process:
            time.sleep(SHORT.idle + 0.5)
            process.send_signal(signal.SIGCONT)
            assert process.stderr is not None
            assert process.stderr.read().splitlines()[-1] == (
                "worker.errors.DatabaseUnavailableError: terminating connection due to idle-in-transaction timeout"
            )
        with reading(engine) as registry:
            assert registry.jobs.get(job_id).state == "queued"


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (replace(SHORT, lock=0.5, idle=9.0), "canceling statement due to lock timeout"),
        (replace(SHORT, statement=0.5, idle=9.0), "canceling statement due to statement timeout"),
    ],
)
def test_a_wait_for_a_lock_ends(url: str, limits: Limits, message: str) -> None:
    with opened(url, limits) as engine:
        job_id = queue_job(engine)
        with frozen_inside(url, job_id, limits), pytest.raises(DatabaseUnavailableError, match=message):
            cancel(engine, job_id)


def test_a_transaction_without_an_end_is_ended(url: str) -> None:
    def ask_again_and_again(engine: Engine) -> None:
        with unit_of_work(engine) as registry:
            while True:
                registry.jobs.now()
                time.sleep(0.1)

    with opened(url, replace(SHORT, transaction=1.0)) as engine:
        with engine.connect() as connection:
            if connection.dialect.server_version_info < (17,):
                pytest.skip("PostgreSQL has transaction_timeout from version 17 on")
        with pytest.raises(DatabaseUnavailableError, match="transaction timeout"):
            ask_again_and_again(engine)


@pytest.mark.parametrize("inside", [True, False])
def test_a_server_process_that_is_stopped_blocks_no_caller(url: str, inside: bool) -> None:
    """Inside: between two statements of a transaction; else while its connection waits in the pool."""
    with opened(url) as engine:
        job_id = queue_job(engine)
        began = time.monotonic()
        with engine.connect() as connection:
            backend = connection.scalar(text("SELECT pg_backend_pid()"))
        try:
            if inside:
                with pytest.raises(DatabaseUnavailableError, match="did not answer"):
                    cancel(engine, job_id, meanwhile=lambda: os.kill(backend, signal.SIGSTOP))
            else:
                os.kill(backend, signal.SIGSTOP)
            cancel(engine, job_id)
        finally:
            os.kill(backend, signal.SIGCONT)
        assert time.monotonic() - began < 8


def test_a_network_that_swallows_packets_blocks_no_caller(url: str) -> None:
    path = Path(str(make_url(url).query["host"])) / ".s.PGSQL.5432"
    with Relay(path) as relay:
        through = make_url(url).set(host="127.0.0.1", port=relay.port, query={"connect_timeout": "2"})
        with opened(through.render_as_string(hide_password=False)) as engine:
            job_id = queue_job(engine)
            relay.pause()
            began = time.monotonic()
            with pytest.raises(DatabaseUnavailableError):
                cancel(engine, job_id)
            assert time.monotonic() - began < 8
            relay.resume()
            cancel(engine, job_id)


def test_a_poll_does_not_wait_for_a_server_process_that_is_stopped(url: str) -> None:
    async def ask_while_stopped(reader: QuickReader) -> tuple[Any, float]:
        [[backend]] = await reader.ask_once(select(func.pg_backend_pid())) or [[0]]
        os.kill(backend, signal.SIGSTOP)
        began = time.monotonic()
        try:
            return await reader.ask_once(JOB, id="0" * 32), time.monotonic() - began
        finally:
            os.kill(backend, signal.SIGCONT)

    with opened(url) as engine:
        answer, seconds = asyncio.run(ask_while_stopped(QuickReader(engine)))
    assert answer is None, "a transaction has to find out"
    assert seconds < 3


def test_a_transaction_waits_shortly_for_a_connection_of_the_pool(url: str) -> None:
    with opened(url) as engine:
        held = [engine.connect() for _ in range(15)]
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailableError, match="QueuePool limit"), reading(engine) as registry:
            registry.jobs.now()
        assert time.monotonic() - began < 8
        for connection in held:
            connection.close()


def test_a_paused_relay_delivers_later_the_bytes_sent_meanwhile() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        Relay(server.getsockname()) as relay,
        socket.create_connection(("127.0.0.1", relay.port)) as near,
        server.accept()[0] as far,
    ):
        relay.pause()
        near.sendall(b"late")
        far.settimeout(0.5)
        with pytest.raises(TimeoutError):
            far.recv(10)
        relay.resume()
        assert far.recv(10) == b"late"
