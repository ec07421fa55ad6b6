"""The worker process: a Celery worker on threads, one slot per device, one runner process at a time per slot."""

import logging
import os
import queue
import re
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from celery import Celery
from celery.bootsteps import StartStopStep
from celery.signals import worker_shutting_down
from kombu.exceptions import OperationalError as KombuOperationalError
from redis.exceptions import RedisError

from worker.errors import DatabaseUnavailableError, InvalidMessageError
from worker.outbound.certificates import trusted_authorities
from worker.process.heartbeat import BEAT_SECONDS, beat
from worker.process.logs import WithoutTracebacks, configure_logging
from worker.process.parent_watch import exit_with_parent
from worker.process.sign_of_life import give_signs_of_life
from worker.process.stop_signals import set_in_handler
from worker.process.tracing import configure_tracing
from worker.queue.app import REDIS_OPTIONS, make_celery
from worker.queue.fork_server_process import ForkServerProcess, started_fork_server
from worker.queue.messages import RUN_JOB, JobMessage
from worker.queue.presence import Presence
from worker.queue.tasks import RUNNER_COMMAND, run_job
from worker.registry import Engine, open_engine
from worker.settings import Settings
from worker.storage.artifacts import open_store, require_usable_store
from worker.storage.incoming import sweep


class ConsumerHeartbeat(StartStopStep):  # type: ignore[misc]  # Celery has no types
    """Started with each connection to the broker and stopped when it is lost; the message loop renews the file.

    Its option `heartbeat_file` is the worker's: `app.Worker(heartbeat_file=…)`.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, heartbeat_file: Path | None = None, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._file = heartbeat_file
        self._entry: Any = None

    def start(self, consumer: Any) -> None:
        """The connection to the broker is up."""
        beat(self._file)
        self._entry = consumer.timer.call_repeatedly(BEAT_SECONDS, beat, (self._file,))

    def stop(self, consumer: Any) -> None:
        """The connection is lost, or the worker ends."""
        if self._entry is not None:
            consumer.timer.cancel(self._entry)
            self._entry = None


log = logging.getLogger("worker.queue.worker_main")


def slots(settings: Settings, environ: Mapping[str, str], device_files: Path = Path("/dev")) -> tuple[str, ...]:
    """The device of each slot: the configured one, else every visible GPU, else `cpu` or `auto` once.

    A single GPU is `auto`: the runner then falls back to the CPU if torch cannot use it. It is `cpu` on Linux without
    the device file of any GPU: those of NVIDIA, `dxg` (Windows' subsystem for Linux) and `kfd` (AMD).
    """
    if settings.device != "auto":
        return (settings.device,)
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        count = len([device for device in visible.split(",") if device.strip()])
    else:
        # torch would open the GPUs here and hold memory on each of them.
        count = len([path for path in device_files.glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name)])
    if count > 1:
        return tuple(f"cuda:{index}" for index in range(count))
    has_gpu_file = any(path.name.startswith(("nvidia", "dxg", "kfd")) for path in device_files.iterdir())
    return ("auto",) if has_gpu_file or sys.platform != "linux" else ("cpu",)


def register_task(
    app: Celery,
    settings: Settings,
    engine: Engine,
    stopping: threading.Event,
    *,
    devices: Sequence[str],
    name: str,
    runner_command: Sequence[str] = RUNNER_COMMAND,
    fork_server: ForkServerProcess | None = None,
) -> None:
    """Give the application its one task; it runs at most one job per device at a time.

    `name` is the worker's name; with the device it names a slot.
    """
    free: queue.SimpleQueue[str] = queue.SimpleQueue()
    for device in devices:
        free.put(device)

    def run(**kwargs: Any) -> None:
        device = free.get()
        try:
            message = JobMessage.from_kwargs(kwargs)
            own, slot = replace(settings, device=device), f"{name}:{device}"
            run_job(
                own,
                engine,
                message.job_id,
                stopping,
                worker=slot,
                runner_command=runner_command,
                fork_server=fork_server,
            )
        except (InvalidMessageError, DatabaseUnavailableError) as error:
            log.warning("a message was dropped: %s", error)
        finally:
            free.put(device)

    app.task(name=RUN_JOB)(run)


def serve(
    settings: Settings,
    devices: Sequence[str],
    *,
    runner_command: Sequence[str] = RUNNER_COMMAND,
    fork_server: ForkServerProcess | None = None,
    redis_options: Mapping[str, Any] = REDIS_OPTIONS,
) -> int:
    """Work until SIGTERM or SIGINT, then release the jobs; return the exit status of the process."""
    stopping = threading.Event()

    def release_jobs(**details: Any) -> None:
        set_in_handler(stopping)  # Celery calls it from its signal handler

    worker_shutting_down.connect(release_jobs)
    sweep(settings.downloads)
    open_store(settings).sweep()
    app = make_celery(settings, redis_options=redis_options)
    engine = open_engine(settings.database_url)
    presence = Presence(engine, devices, settings.heartbeat_seconds)
    register_task(
        app,
        settings,
        engine,
        stopping,
        devices=devices,
        name=presence.name,
        runner_command=runner_command,
        fork_server=fork_server,
    )
    app.steps["consumer"].add(ConsumerHeartbeat)
    worker = app.Worker(
        pool="threads",
        concurrency=len(devices),
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        hostname=f"ldnas-{os.getpid()}@{socket.gethostname()}",
        loglevel="INFO",
        quiet=True,
        heartbeat_file=settings.heartbeat_file,
    )
    with presence:
        worker.start()
    engine.dispose()
    return int(worker.exitcode or 0)


def shorten_broker_failures() -> None:
    """Log a lost connection to the broker, which the worker restores by itself, as a warning without a traceback."""
    errors = (OSError, KombuOperationalError, RedisError)
    for handler in logging.getLogger().handlers:
        handler.addFilter(WithoutTracebacks(("celery", "kombu"), errors))


def main() -> None:
    """Run one worker with the environment's settings."""
    exit_with_parent(os.environ)
    give_signs_of_life(os.environ)
    settings = Settings.from_environment(os.environ)
    trusted_authorities()
    configure_logging(settings.log_format)
    shorten_broker_failures()
    configure_tracing("worker")
    require_usable_store(settings)
    with started_fork_server(settings) as fork_server:
        status = serve(settings, slots(settings, os.environ), fork_server=fork_server)
    sys.exit(status)


if __name__ == "__main__":
    main()
