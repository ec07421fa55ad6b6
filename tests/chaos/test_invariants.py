"""Each rule that a round is held to notices when it is broken."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from tests.chaos import invariants
from worker.registry import (
    ArchitectureRow,
    ArtifactRow,
    JobEventRow,
    JobKind,
    JobRow,
    NetworkRow,
    open_engine,
    unit_of_work,
)
from worker.registry.schema import migrate
from worker.storage.folder_store import FolderStore

NOTHING: dict[str, Any] = {}


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    url = f"sqlite:///{tmp_path / 'registry.sqlite3'}"
    migrate(url)
    engine = open_engine(url)
    with Session(engine) as opened:
        yield opened
    engine.dispose()


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "artifacts")


def put(session: Session, store: FolderStore, content: bytes) -> str:
    digest = store.put(content)
    session.add(ArtifactRow(digest=digest, bytes=len(content), media_type="text/plain"))
    session.flush()
    return digest


@pytest.fixture
def trained(session: Session, store: FolderStore) -> str:
    """A job that was tried twice and trained an architecture; its id."""
    with unit_of_work(session.get_bind()) as registry:
        job = registry.jobs.insert(JobKind.TRAIN_ARCHITECTURE, {}, idempotency_key="key", request_hash="hash")
        registry.leases.claim(job.id, worker="first", lease_seconds=60)
        registry.leases.release(job.id, 1, reason="killed", counts_as_failure=True)
        registry.leases.claim(job.id, worker="second", lease_seconds=60)
        registry.leases.finish(job.id, 2, {"architecture_id": "made"})
    add_architecture(session, store, "made", job.id)
    session.commit()
    return job.id


def add_architecture(session: Session, store: FolderStore, id: str, job_id: str) -> None:
    files = {file: put(session, store, f"{file} of {id}".encode()) for file in invariants.FILES}
    json = dict.fromkeys(("genotype", "skeleton", "preprocessing", "validation", "test"), NOTHING)
    session.add(ArchitectureRow(id=id, job_id=job_id, name=id, class_names=[], parameters=1, macs=1, **json, **files))
    session.flush()


def broken_rules(session: Session, job_id: str) -> list[str]:
    session.expire_all()
    return [
        *invariants.lost(session, [job_id]),
        *invariants.doubled(session, {"key": job_id}),
        *invariants.contradictions(session, [job_id]),
    ]


def set_job(**values: Any) -> Callable[[Session, FolderStore, str], None]:
    return lambda session, store, job_id: session.execute(update(JobRow).where(JobRow.id == job_id).values(**values))


def add_state_event(**data: Any) -> Callable[[Session, FolderStore, str], None]:
    return lambda session, store, job_id: session.add(JobEventRow(job_id=job_id, kind="state", data=data))


def write_into_attempt(session: Session, store: FolderStore, job_id: str) -> None:
    session.add(JobEventRow(job_id=job_id, kind="stage", data={"stage": "train"}))


def queue_another(session: Session, store: FolderStore, job_id: str) -> None:
    session.add(JobRow(kind=JobKind.TRAIN_ARCHITECTURE, params={}, owner="other", idempotency_key="key"))


def lose_architecture(session: Session, store: FolderStore, job_id: str) -> None:
    session.delete(session.get_one(ArchitectureRow, "made"))


def make_another(session: Session, store: FolderStore, job_id: str) -> None:
    add_architecture(session, store, "another", job_id)


EXHAUSTED = {"code": "attempts_exhausted", "detail": "gave up after 3 failed attempts; the last one: killed"}
BREAKS = [
    (set_job(state="queued"), "is still queued"),
    (lose_architecture, "succeeded, but its architecture is not there"),
    (queue_another, "the request key made the jobs"),
    (make_another, "made the architectures"),
    (add_state_event(state="succeeded", attempt=2), "ended 2 times"),
    (add_state_event(state="running", attempt=3), "went from succeeded"),
    (write_into_attempt, "another process wrote into attempt 2"),
    (set_job(attempt=7), "its last event says"),
    (set_job(lease_owner="second"), "still holds a lease"),
    (set_job(finished_at=None), "no time of its end"),
    (set_job(error={"code": "internal"}), "has the error"),
    (set_job(state="failed", result=None, error={"code": "internal"}), "failed with {'code': 'internal'}"),
    (set_job(state="failed", result=None, error=EXHAUSTED), "failed after 1 of 3 failures"),
    (set_job(state="cancelled", result=None), "is cancelled without a request"),
]


def test_a_job_that_went_its_way_breaks_no_rule(session: Session, store: FolderStore, trained: str) -> None:
    assert broken_rules(session, trained) == []
    assert invariants.lost(session, ["unknown"]) == ["job unknown is gone"]


@pytest.mark.parametrize(("damage", "expected"), BREAKS, ids=[expected for _, expected in BREAKS])
def test_each_broken_rule_is_reported(
    session: Session, store: FolderStore, trained: str, damage: Callable[..., None], expected: str
) -> None:
    damage(session, store, trained)
    session.flush()
    assert [sentence for sentence in broken_rules(session, trained) if expected in sentence]


def test_artifacts_are_there_whole_and_on_record(
    session: Session, store: FolderStore, trained: str, tmp_path: Path
) -> None:
    files = invariants.Store(tmp_path / "artifacts")
    assert files.broken(session) == []
    weights = session.get_one(ArchitectureRow, "made").weights
    store.path(weights).write_bytes(b"something else")
    assert any("another content" in sentence for sentence in files.broken(session))
    store.path(weights).unlink()
    assert any("is not there" in sentence for sentence in files.broken(session))
    session.add(
        NetworkRow(
            key="k",
            architecture="a",
            seed=0,
            classes=2,
            weights="f" * 64,
            parameters=1,
            seconds=1.0,
            validation_accuracy=1.0,
            validation_balanced_accuracy=1.0,
        )
    )
    session.flush()
    assert f"artifact {'f' * 64} is named and not on record" in files.broken(session)


def test_files_without_an_owner_are_listed(session: Session, store: FolderStore, trained: str, tmp_path: Path) -> None:
    files = invariants.Store(tmp_path / "artifacts")
    assert files.unowned(session) == []
    stray = store.path(store.put(b"nobody's"))
    kept = store.put_checkpoint(trained, 2, 1, b"state")
    session.execute(update(JobRow).where(JobRow.id == trained).values(checkpoint={"key": "k", "name": kept}))
    assert files.unowned(session) == sorted([stray, tmp_path / "artifacts" / kept]), "a job that succeeded needs none"
    session.execute(update(JobRow).where(JobRow.id == trained).values(state="cancelled", result=None))
    assert files.unowned(session) == [stray], "one that was cancelled can be tried again"
