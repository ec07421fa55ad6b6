"""Removes old and unused data: rows, files that no row names, and unfinished files of dead processes."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from worker.errors import DatabaseUnavailableError
from worker.registry import FOLDED_AT_ONCE, REMOVED_AT_ONCE, Engine, Folding, Removable, reading, unit_of_work
from worker.storage.artifacts import ArtifactStore

log = logging.getLogger(__name__)

DAY_SECONDS = 86400.0

GRACE_SECONDS = DAY_SECONDS
"""The age at which a file without a row counts as abandoned: far more than the time between file and row."""

CLEAN_SECONDS = 3600.0
FOLD_SECONDS = 60.0

BREATH_SECONDS = 0.1
"""The pause between two batches: a waiting SQLite writer retries only this often, and needs a chance to write."""


@dataclass
class Removed:
    """The number of removed rows and files of each kind."""

    events: int = 0
    webhooks: int = 0
    jobs: int = 0
    networks: int = 0
    distances: int = 0
    fisher_summaries: int = 0
    genotypes: int = 0
    artifacts: int = 0
    files: int = 0
    workers: int = 0


def clean(
    engine: Engine, store: ArtifactStore, retention_seconds: float, *, grace_seconds: float = GRACE_SECONDS
) -> Removed:
    """Remove data that is older than the retention and unused, in many short transactions; processes may run it at
    once.

    Raises:
        DatabaseUnavailableError: the database refused, timed out or broke off; earlier batches stay removed.
        OSError: the artifact store failed.
    """
    removed = Removed()
    with reading(engine) as registry:
        old, forgotten = registry.removable.before(retention_seconds), registry.removable.before(grace_seconds)
    steps: tuple[tuple[str, Callable[[Removable], int]], ...] = (
        ("events", lambda rows: rows.delete_events(old)),
        ("webhooks", lambda rows: rows.delete_webhooks(old)),
        ("jobs", lambda rows: rows.delete_jobs(old)),
        ("fisher_summaries", lambda rows: rows.delete_summaries(old)),
        ("networks", lambda rows: rows.delete_networks(old)),
        ("distances", lambda rows: rows.delete_distances(old)),
        ("genotypes", lambda rows: rows.delete_genotypes(old)),
        ("artifacts", lambda rows: rows.delete_artifacts(forgotten)),
    )
    for name, step in steps:
        while number := _in_one(engine, step):
            setattr(removed, name, getattr(removed, name) + number)
            time.sleep(BREATH_SECONDS)
    with unit_of_work(engine) as registry:
        removed.workers = registry.workers.forget_lost()
    removed.files = store.sweep()
    removed.files += sum(1 for batch in unowned_files(engine, store, grace_seconds) for digest in batch)
    return removed


def fold(engine: Engine) -> int:
    """Fold counters and revisions into their sums, one batch per transaction; return by how many rows the tables
    shrank.

    Raises:
        DatabaseUnavailableError: the database refused, timed out or broke off; no sum has changed.
    """
    folded = 0
    steps: tuple[Callable[[Folding], int], ...] = (Folding.fold_tallies, Folding.fold_marks)
    for step in steps:
        number = FOLDED_AT_ONCE
        # A batch that is not full is the last one, or this would never end while jobs run.
        while number >= FOLDED_AT_ONCE - 1:
            with unit_of_work(engine) as registry:
                number = step(registry.folding)
            folded += number
            time.sleep(BREATH_SECONDS)
    return folded


def unowned_files(
    engine: Engine, store: ArtifactStore, grace_seconds: float, *, remove: bool = True
) -> Iterator[list[str]]:
    """Yield artifact files that no row names and checkpoints of jobs that cannot resume, removed if `remove` is set."""
    before = time.time() - grace_seconds
    for digests in store.old_digests(before, REMOVED_AT_ONCE):
        with reading(engine) as registry:
            owned = registry.removable.owned(digests)
        free = [digest for digest in digests if digest not in owned]
        yield [digest for digest in free if not remove or store.drop_old(digest, before)]
    for job_ids in store.old_checkpoint_jobs(before, REMOVED_AT_ONCE):
        with reading(engine) as registry:
            alive = registry.removable.unfinished(job_ids)
        for job_id in job_ids:
            if job_id not in alive:
                yield store.drop_old_checkpoints(job_id, before) if remove else [job_id]


def _in_one(engine: Engine, step: Callable[[Removable], int]) -> int:
    with unit_of_work(engine) as registry:
        return step(registry.removable)


def clean_until(stop: threading.Event, engine: Engine, store: ArtifactStore, retention_seconds: float) -> None:
    """Fold every minute and clean every hour until `stop` is set; log failures and try again next time."""
    next_clean = time.monotonic()
    while not stop.wait(FOLD_SECONDS):
        try:
            fold(engine)
            if time.monotonic() >= next_clean:
                next_clean = time.monotonic() + CLEAN_SECONDS
                _log(clean(engine, store, retention_seconds))
        except (DatabaseUnavailableError, OSError) as error:
            log.warning("cleaning is postponed: %s", error)


def _log(removed: Removed) -> None:
    numbers = {name: number for name, number in asdict(removed).items() if number}
    if numbers:
        log.info("removed old and unused data", extra={"removed": numbers})
