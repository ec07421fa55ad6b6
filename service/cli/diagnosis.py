"""Diagnoses an installation: settings, database, broker, files, device, workers, jobs."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from worker.errors import ArtifactStoreError, DatabaseUnavailableError, SettingsError
from worker.registry import Engine, JobState, open_engine, reading
from worker.registry.schema import is_current
from worker.settings import Settings
from worker.storage.artifacts import ArtifactStore, open_store
from worker.storage.cleaner import DAY_SECONDS, GRACE_SECONDS, unowned_files
from worker.storage.folder_store import FolderStore

PAGE = 500
LISTED = 3
SKEW_SECONDS = 5.0
LONG_WAIT_SECONDS = 600.0
LITTLE_BYTES, NO_BYTES = 5 * 10**9, 5 * 10**8
_STORE_ADVICE = "correct LDNAS_ARTIFACT_URL, the AWS_… variables or the key, or start the server"
_LOOK_AT_DEVICE = "import torch; print(torch.cuda.is_available(), torch.cuda.device_count(), torch.version.cuda)"


class Level(StrEnum):
    """The severity of a finding."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis; `advice` states the remedy, and is empty at level `ok`."""

    check: str
    level: Level
    message: str
    advice: str = ""


def diagnose(settings: Settings, *, deep: bool = False) -> Iterator[Finding]:
    """Yields each finding as soon as its check ends. `deep` reads each artifact and compares its SHA-256."""
    try:
        store = open_store(settings)
    except (ArtifactStoreError, SettingsError) as error:
        yield Finding("artifact store", Level.FAIL, str(error), _STORE_ADVICE)
        return
    engine = open_engine(settings.database_url)
    try:
        database = _database(engine)
        yield database
        yield _broker(settings)
        usable = _usable(settings, store)
        yield usable
        yield _disk(settings, store)
        yield _device(settings, engine if database.level is Level.OK else None)
        if database.level is Level.OK:
            is_away = usable.level is Level.FAIL and not isinstance(store, FolderStore)
            yield from _from_sql(settings, engine, None if is_away else store, deep)
    finally:
        engine.dispose()


def _from_sql(settings: Settings, engine: Engine, store: ArtifactStore | None, deep: bool) -> Iterator[Finding]:
    of_files: tuple[Callable[[], Finding], ...] = ()
    if store is not None:
        of_files = (lambda: _artifacts(engine, store, deep), lambda: _removable(settings, engine, store))
    checks: tuple[Callable[[], Finding], ...] = (
        *of_files,
        lambda: _clock(engine),
        lambda: _workers(engine),
        lambda: _waiting(engine),
        lambda: _running(settings, engine),
    )
    for check in checks:
        try:
            yield check()
        except DatabaseUnavailableError as error:
            yield Finding("database", Level.FAIL, f"connection lost: {error}", "read the database's log")
            return
        except ArtifactStoreError as error:
            yield Finding("artifact store", Level.FAIL, str(error), _STORE_ADVICE)


def _database(engine: Engine) -> Finding:
    if engine.dialect.name == "sqlite" and not Path(engine.url.database or "").exists():
        return Finding("database", Level.FAIL, "the SQLite file does not exist", "run `ldnas migrate`")
    try:
        current = is_current(engine)
    except DatabaseUnavailableError as error:
        return Finding("database", Level.FAIL, str(error), "start the database, or correct LDNAS_DATABASE_URL")
    if not current:
        return Finding("database", Level.FAIL, "its schema is not this version's", "run `ldnas migrate`")
    return Finding("database", Level.OK, f"{engine.dialect.name}, with this version's schema")


def _broker(settings: Settings) -> Finding:
    try:
        from worker.errors import BrokerUnavailableError
        from worker.queue.publisher import Publisher
    except ModuleNotFoundError:
        return Finding("broker", Level.WARN, "not checked: Celery is not installed here", "run this on a worker's host")
    try:
        with Publisher(settings) as publisher:
            return Finding("broker", Level.OK, f"reachable; {publisher.waiting()} messages are waiting")
    except BrokerUnavailableError as error:
        advice = "start it, or correct LDNAS_BROKER_URL; until then jobs wait in the database"
        return Finding("broker", Level.FAIL, str(error), advice)


def _usable(settings: Settings, store: ArtifactStore) -> Finding:
    try:
        store.check()
    except ArtifactStoreError as error:
        return Finding("artifact store", Level.FAIL, str(error), _STORE_ADVICE)
    except OSError as error:
        message = f"{settings.artifact_url} is not writable: {error.strerror}"
        return Finding("artifact folder", Level.FAIL, message, "correct its owner and mode, or LDNAS_ARTIFACT_URL")
    if isinstance(store, FolderStore):
        return Finding("artifact folder", Level.OK, f"{settings.artifact_url} is writable")
    return Finding("artifact store", Level.OK, f"{settings.artifact_url} can be listed, read and written")


def _disk(settings: Settings, store: ArtifactStore) -> Finding:
    folder = store.local_folder.absolute()
    free = shutil.disk_usage(next(place for place in (folder, *folder.parents) if place.exists())).free
    level = Level.FAIL if free < NO_BYTES else Level.WARN if free < LITTLE_BYTES else Level.OK
    files, remedy = "artifacts", "LDNAS_RETENTION_DAYS"
    if not isinstance(store, FolderStore):
        files, remedy = "copies of artifacts", "LDNAS_ARTIFACT_CACHE_BYTES"
    advice = "" if level is Level.OK else f"free some space, or lower {remedy}"
    return Finding("disk", level, f"{free / 1e9:.1f} GB are free for {files}", advice)


def _device(settings: Settings, engine: Engine | None) -> Finding:
    """Queries torch in a separate process: the service never imports it. Only workers need it."""
    try:
        torch = version("torch")
    except PackageNotFoundError:
        elsewhere = _living_workers(engine)
        if elsewhere:
            return Finding("device", Level.OK, f"torch is not installed here, and {elsewhere} workers run elsewhere")
        return Finding("device", Level.WARN, "torch is not installed here", "a worker needs `ldnas[worker]`")
    probe = subprocess.run([sys.executable, "-P", "-c", _LOOK_AT_DEVICE], capture_output=True, text=True, timeout=120)
    if probe.returncode:
        return Finding("device", Level.FAIL, f"torch {torch} cannot be imported", "reinstall `ldnas[worker]`")
    available, count, cuda = probe.stdout.split()
    message = f"torch {torch}, " + (f"CUDA {cuda} with {count} GPUs" if available == "True" else "no usable GPU")
    if available != "True" and settings.device.startswith("cuda"):
        return Finding("device", Level.FAIL, message, f"LDNAS_DEVICE is {settings.device}; correct it or the driver")
    return Finding("device", Level.OK, message)


def _living_workers(engine: Engine | None) -> int:
    if engine is None:
        return 0
    try:
        with reading(engine) as registry:
            return sum(seen.alive for seen in registry.workers.list())
    except DatabaseUnavailableError:
        return 0


def _artifacts(engine: Engine, store: ArtifactStore, deep: bool) -> Finding:
    missing: list[str] = []
    damaged: list[str] = []
    number, after = 0, ""
    while True:
        with reading(engine) as registry:
            page = registry.results.artifacts(after, PAGE)
        sizes = store.sizes([row.digest for row in page])
        for row in page:
            number += 1
            if row.digest not in sizes:
                missing.append(row.digest)
            elif sizes[row.digest] != row.bytes or (deep and store.stored_digest(row.digest) != row.digest):
                damaged.append(row.digest)
        if len(page) < PAGE:
            break
        after = page[-1].digest
    how = "by content" if deep else "by size"
    if not missing and not damaged:
        return Finding("artifacts", Level.OK, f"{number} files are whole, {how}")
    parts = [
        f"{len(files)} {what} ({', '.join(files[:LISTED])})"
        for what, files in (("missing", missing), ("damaged", damaged))
        if files
    ]
    return Finding("artifacts", Level.FAIL, f"of {number}: {'; '.join(parts)}", "restore them from a backup")


def _removable(settings: Settings, engine: Engine, store: ArtifactStore) -> Finding:
    with reading(engine) as registry:
        rows = registry.removable
        old, forgotten = rows.before(settings.retention_days * DAY_SECONDS), rows.before(GRACE_SECONDS)
        counts = {name: number for name, number in rows.count(old, forgotten).items() if number}
    files = sum(len(batch) for batch in unowned_files(engine, store, GRACE_SECONDS, remove=False))
    if files:
        counts["files without an owner"] = files
    listed = ", ".join(f"{number} {name}" for name, number in counts.items()) or "nothing"
    return Finding("retention", Level.OK, f"a dispatcher would remove: {listed}")


def _clock(engine: Engine) -> Finding:
    began = time.time()
    with reading(engine) as registry:
        there = registry.jobs.now()
    skew = there - (began + time.time()) / 2
    message = f"this host's clock and the database's differ by {abs(skew):.1f} s"
    if abs(skew) > SKEW_SECONDS:
        advice = "leases are not affected, but ages and times in logs are wrong: synchronise both with NTP"
        return Finding("clock", Level.WARN, message, advice)
    return Finding("clock", Level.OK, message)


def _workers(engine: Engine) -> Finding:
    with reading(engine) as registry:
        workers = registry.workers.list()
    alive = sum(seen.alive for seen in workers)
    if not alive:
        return Finding("workers", Level.WARN, "none is alive", "start one: `ldnas worker`, or `ldnas up`")
    lost = [seen.row.name for seen in workers if not seen.alive]
    if lost:
        message = f"{alive} alive; {len(lost)} were lost within the last day ({', '.join(lost[:LISTED])})"
        return Finding("workers", Level.WARN, message, "check their logs, and their hosts' memory")
    return Finding("workers", Level.OK, f"{alive} alive")


def _waiting(engine: Engine) -> Finding:
    with reading(engine) as registry:
        waits = registry.figures.queue().oldest_due_seconds
    longest = max(waits.values(), default=0.0)
    if longest > LONG_WAIT_SECONDS:
        advice = "add workers; where some are idle, check the dispatcher and the broker"
        return Finding("queue", Level.WARN, f"a job has waited {longest:.0f} s for a worker", advice)
    return Finding("queue", Level.OK, f"no job has waited more than {longest:.0f} s for a worker")


def _running(settings: Settings, engine: Engine) -> Finding:
    with reading(engine) as registry:
        now, jobs = registry.jobs.now(), registry.jobs.list(state=JobState.RUNNING, limit=10_000)
    unswept = [job.id for job in jobs if (job.lease_until or now) < now - settings.lease_seconds]
    if unswept:
        message = f"no dispatcher took back {len(unswept)} jobs of lost workers ({', '.join(unswept[:LISTED])})"
        return Finding("jobs", Level.FAIL, message, "start a dispatcher: `ldnas dispatcher`, or `ldnas up`")
    silent = [job.id for job in jobs if now - (job.progressed_at or now) > settings.stall_seconds]
    if silent:
        message = f"{len(silent)} made no progress for LDNAS_STALL_SECONDS ({', '.join(silent[:LISTED])})"
        return Finding("jobs", Level.WARN, message, "their worker will end them soon; its log says why they stall")
    return Finding("jobs", Level.OK, f"{len(jobs)} running, each with a worker and with progress")
