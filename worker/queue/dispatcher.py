"""The dispatcher: publishes queued jobs, takes back jobs with lost leases, sends webhooks, and queues idle studies.

Any number may run.
"""

import logging
import os
import signal
import threading
import time

from worker.errors import BrokerUnavailableError, DatabaseUnavailableError
from worker.outbound.certificates import trusted_authorities
from worker.outbound.guard import OutboundGuard
from worker.outbound.webhooks import senders
from worker.process.heartbeat import BEAT_SECONDS, beat
from worker.process.logs import configure_logging, log_fields
from worker.process.parent_watch import exit_with_parent
from worker.process.sign_of_life import give_signs_of_life
from worker.process.stop_signals import stop_on
from worker.queue.exit_codes import MAX_RETRY_DELAY_SECONDS
from worker.queue.messages import JobMessage
from worker.queue.publisher import Publisher
from worker.registry import CLEANER_LIMITS, Engine, open_engine, reading, unit_of_work
from worker.settings import Settings
from worker.storage.artifacts import open_store, require_usable_store
from worker.storage.cleaner import DAY_SECONDS, clean_until

log = logging.getLogger("worker.queue.dispatcher")

BROKER_PAUSE_SECONDS = 2.0
"""The pause after a failure of the broker."""

MOST_WAITING = 16
"""The most messages that wait in the broker: a later, more urgent job overtakes all jobs except these."""


def run_dispatcher(settings: Settings, stop: threading.Event) -> None:
    """Sweep and publish until `stop` is set. While the database or broker is down, wait and try again."""
    engine = open_engine(settings.database_url)
    retention_seconds = settings.retention_days * DAY_SECONDS
    cleaning_engine = open_engine(settings.database_url, CLEANER_LIMITS)
    cleaning = (stop, cleaning_engine, open_store(settings), retention_seconds)
    cleaner = threading.Thread(target=clean_until, args=cleaning, name="cleaner", daemon=True)
    cleaner.start()
    sending = senders(stop, engine, OutboundGuard(settings.remote_hosts))
    next_sweep = next_beat = 0.0
    log.info("the dispatcher begins; it takes back lost jobs every %g s", settings.sweep_seconds)
    with Publisher(settings) as publisher, sending:
        while not stop.is_set():
            pause = settings.poll_seconds
            try:
                if time.monotonic() >= next_sweep:
                    correct_times(engine, settings.lease_seconds)
                    sweep(engine)
                    if settings.idle_study_seconds is not None:
                        queue_idle_study(engine, settings.idle_study_seconds)
                    next_sweep = time.monotonic() + settings.sweep_seconds
                publish_due(engine, publisher, settings.republish_seconds)
                if settings.heartbeat_file is not None and time.monotonic() >= next_beat:
                    publisher.ping()  # a round without a due job asks the broker nothing
                    beat(settings.heartbeat_file)
                    next_beat = time.monotonic() + BEAT_SECONDS
            except DatabaseUnavailableError as error:
                log.warning("the database is unavailable, trying again: %s", error)
            except BrokerUnavailableError as error:
                log.warning("the broker is unavailable, trying again: %s", error)
                pause = BROKER_PAUSE_SECONDS
            stop.wait(pause)
    engine.dispose()
    cleaning_engine.dispose()


def correct_times(engine: Engine, lease_seconds: float) -> None:
    """Correct what the database's clock wrote before it was set back.

    Raises:
        DatabaseUnavailableError: the database refused, timed out or broke off.
    """
    with unit_of_work(engine) as registry:
        corrected = registry.leases.pull_back(lease_seconds=lease_seconds, delay_seconds=MAX_RETRY_DELAY_SECONDS)
    if corrected:
        log.warning("the database's clock was set back: the times of %d jobs were corrected", corrected)


def sweep(engine: Engine) -> None:
    """Take back every job whose lease expired.

    Raises:
        DatabaseUnavailableError: the database refused, timed out or broke off.
    """
    with unit_of_work(engine) as registry:
        expired = registry.leases.sweep_expired()
        requests = registry.jobs.request_ids(expired)
    for job_id in expired:
        with log_fields(job_id=job_id, request_id=requests.get(job_id)):
            log.warning("job %s: its worker was lost", job_id)


def queue_idle_study(engine: Engine, seconds: float) -> None:
    """Queue a study of so many seconds if no job waits or runs and a baseline has few trained cells.

    Raises:
        DatabaseUnavailableError: the database refused, timed out or broke off.
    """
    with unit_of_work(engine) as registry:
        job = registry.idle_studies.queue(seconds)
    if job is not None:
        with log_fields(job_id=job.id):
            log.info("job %s: an idle study of task %s is queued", job.id, job.params["task_id"])


def publish_due(engine: Engine, publisher: Publisher, republish_seconds: float) -> int:
    """Publish the most urgent due jobs, while few messages wait in the broker; return their number.

    After a crash half-way a job may be published twice, which is harmless.

    Raises:
        BrokerUnavailableError: the broker failed; the jobs that it accepted before are marked.
        DatabaseUnavailableError: the database refused, timed out or broke off.
    """
    with reading(engine) as registry:
        due_at = registry.jobs.now()
        due = registry.jobs.due(republish_seconds, limit=MOST_WAITING)
    if due:
        due = due[: max(0, MOST_WAITING - publisher.waiting())]
    published: list[str] = []
    try:
        for job_id in due:
            publisher.publish(JobMessage(job_id))
            published.append(job_id)
    finally:
        if published:
            with unit_of_work(engine) as registry:
                registry.jobs.mark_published(published, due_at=due_at)
                requests = registry.jobs.request_ids(published)
            for job_id in published:
                with log_fields(job_id=job_id, request_id=requests.get(job_id)):
                    log.info("job %s: published", job_id)
    return len(published)


def main() -> None:
    """Run one dispatcher with the environment's settings until SIGTERM or SIGINT."""
    stop = stop_on(signal.SIGTERM, signal.SIGINT)
    exit_with_parent(os.environ)
    give_signs_of_life(os.environ)
    settings = Settings.from_environment(os.environ)
    trusted_authorities()
    configure_logging(settings.log_format)
    require_usable_store(settings)
    run_dispatcher(settings, stop)


if __name__ == "__main__":
    main()
