"""The rules that must hold once every job has ended, whatever was broken meanwhile: a sentence for each broken rule."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.registry import (
    ArchitectureRow,
    ArtifactRow,
    DistanceRow,
    JobEventRow,
    JobKind,
    JobRow,
    JobState,
    NetworkRow,
    RecommendationRow,
    TaskCellRow,
    TaskNetworkRow,
    TaskRow,
)

FILES = ("weights", "code", "program", "onnx", "card")
_STAGES = ("resolve", "fit", "distance", "search", "study", "train", "export", "control")
_NEXT = {
    None: {"queued"},
    "queued": {"running", "cancelled"},
    "running": {"queued", "succeeded", "failed", "cancelled"},
}


def lost(session: Session, job_ids: Collection[str]) -> list[str]:
    """Accepted jobs that are gone, have not ended, or ended well without what they were for."""
    found = []
    for job_id in job_ids:
        job = session.get(JobRow, job_id)
        if job is None:
            found.append(f"job {job_id} is gone")
        elif not job.state.ended:
            found.append(f"job {job_id} is still {job.state}")
        elif job.state is JobState.SUCCEEDED:
            found += [f"job {job_id} succeeded, but {missing}" for missing in _missing(session, job)]
    return found


def _missing(session: Session, job: JobRow) -> Iterator[str]:
    """The results that a job that succeeded should have left and has not."""
    result = job.result or {}
    match job.kind:
        case JobKind.REGISTER_TASK | JobKind.DISTANCES:
            task = session.get(TaskRow, job.params.get("task_id") or job.params["target_task_id"])
            if task is None or task.dataset_digest is None or task.seen_images is None:
                yield "its task was not resolved"
            elif len(_networks(session, task.id)) != task.repetitions:
                yield f"its task has {len(_networks(session, task.id))} of {task.repetitions} networks"
            if job.kind == JobKind.DISTANCES:
                yield from _missing_distances(session, job)
        case JobKind.RECOMMEND:
            row = session.scalar(select(RecommendationRow).where(RecommendationRow.job_id == job.id))
            named = None if row is None else (row.document.get("architecture") or {}).get("id")
            if named is None or named != result.get("architecture_id"):
                yield f"its answer names the architecture {named} and its result {result.get('architecture_id')}"
            elif session.get(ArchitectureRow, named) is None:
                yield "its architecture is not there"
        case JobKind.STUDY:
            cells = select(TaskCellRow).where(TaskCellRow.task_id == job.params["task_id"])
            if len(session.scalars(cells).all()) < result.get("cells", 1):
                yield f"its task has fewer than {result.get('cells')} trained cells"
        case JobKind.TRAIN_ARCHITECTURE:
            if session.get(ArchitectureRow, result.get("architecture_id", "")) is None:
                yield "its architecture is not there"


def _networks(session: Session, task_id: str) -> Sequence[str]:
    return session.scalars(select(TaskNetworkRow.network_key).where(TaskNetworkRow.task_id == task_id)).all()


def _missing_distances(session: Session, job: JobRow) -> Iterator[str]:
    """Sources without a row for each measure, where source and target are two tasks."""
    target = job.params["target_task_id"]
    for source in job.params["sources"] or ():
        rows = session.scalars(
            select(DistanceRow.measure).where(
                DistanceRow.source_network.in_(_networks(session, source)),
                DistanceRow.target_network.in_(_networks(session, target)),
            )
        ).all()
        if source != target and (gone := set(job.params["measures"]) - set(rows)):
            yield f"distances from {source} by {sorted(gone)} are not there"


def doubled(session: Session, keys: dict[str, str]) -> list[str]:
    """Jobs that a key made twice, that ended twice, or that left more than one result; `keys` maps keys to job ids."""
    found = []
    for key, job_id in keys.items():
        ids = session.scalars(select(JobRow.id).where(JobRow.idempotency_key == key)).all()
        if list(ids) != [job_id]:
            found.append(f"the request {key} made the jobs {list(ids)}")
        ends = [move for move in _moves(session, job_id) if JobState(move[0]).ended]
        if len(ends) > 1:
            found.append(f"job {job_id} ended {len(ends)} times: {ends}")
        architectures = session.scalars(select(ArchitectureRow.id).where(ArchitectureRow.job_id == job_id)).all()
        if len(architectures) > 1:
            found.append(f"job {job_id} made the architectures {list(architectures)}")
    return found


def _moves(session: Session, job_id: str) -> list[tuple[str, int, str | None]]:
    """The states that the job went through, each with its attempt and the reason given."""
    rows = session.scalars(
        select(JobEventRow).where(JobEventRow.job_id == job_id, JobEventRow.kind == "state").order_by(JobEventRow.id)
    ).all()
    return [(row.data["state"], row.data["attempt"], row.data.get("reason")) for row in rows]


def _stages(session: Session, job_id: str) -> list[list[str]]:
    """The stages that each attempt went through."""
    attempts: list[list[str]] = []
    for row in session.scalars(select(JobEventRow).where(JobEventRow.job_id == job_id).order_by(JobEventRow.id)):
        if row.kind == "state" and row.data["state"] == "running":
            attempts.append([])
        elif row.kind == "stage" and attempts:
            attempts[-1].append(row.data["stage"])
    return attempts


def contradictions(session: Session, job_ids: Collection[str]) -> list[str]:
    """Rows of these jobs that say different things of what happened."""
    found = []
    for job_id in job_ids:
        job = session.get(JobRow, job_id)
        if job is not None:
            found += [f"job {job_id}: {sentence}" for sentence in _contradictions(session, job)]
    return found


def _contradictions(session: Session, job: JobRow) -> Iterator[str]:
    moves = _moves(session, job.id)
    for (before, attempt, _), (after, next_attempt, _) in pairwise([(None, 0, None), *moves]):
        grown = 1 if after == "running" else 0
        if after not in _NEXT.get(before, set()) or next_attempt != attempt + grown:
            yield f"went from {before} (attempt {attempt}) to {after} (attempt {next_attempt})"
    if not moves or moves[-1][:2] != (job.state.value, job.attempt):
        yield f"is {job.state} in attempt {job.attempt}, but its last event says {moves[-1:]}"
    for attempt, stages in enumerate(_stages(session, job.id), start=1):
        places = [_STAGES.index(stage) for stage in stages]
        if places != sorted(set(places)) or (stages and stages[0] != _STAGES[0]):
            yield f"another process wrote into attempt {attempt}: its stages are {stages}"
    if job.state.ended and (job.lease_owner is not None or job.lease_until is not None or job.finished_at is None):
        yield "has ended and still holds a lease, or no time of its end"
    if (job.result is not None) != (job.state is JobState.SUCCEEDED):
        yield f"is {job.state} and has the result {job.result}"
    if (job.error is not None) != (job.state is JobState.FAILED):
        yield f"is {job.state} and has the error {job.error}"
    if job.state is JobState.CANCELLED and job.cancel_requested_at is None and moves[-1][2] is None:
        yield "is cancelled without a request"
    if job.state is JobState.FAILED:
        yield from _untrue_reason(job, moves)


def _untrue_reason(job: JobRow, moves: Sequence[tuple[str, int, str | None]]) -> Iterator[str]:
    """No fault breaks a job for good but by using up its attempts, and then the last reason is the one given."""
    error = job.error or {}
    if error.get("code") != "attempts_exhausted":
        yield f"failed with {error}"
    elif job.failures != job.max_attempts or not error["detail"].endswith(str(moves[-1][2])):
        yield f"failed after {job.failures} of {job.max_attempts} failures with {error['detail']!r}, last {moves[-1]}"


def running(session: Session) -> list[str]:
    """Jobs that hold a lease."""
    return [*session.scalars(select(JobRow.id).where(JobRow.state == JobState.RUNNING))]


class Store:
    """The files of an artifact store and the rows that own them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._sound: set[tuple[str, int, int]] = set()

    def broken(self, session: Session) -> list[str]:
        """Artifacts that a row names, and that are not there, or not of their digest, or not on record."""
        named = Counter(owned_digests(session))
        sizes = {row.digest: row.bytes for row in session.scalars(select(ArtifactRow))}
        found = [f"artifact {digest} is named and not on record" for digest in named if digest not in sizes]
        for digest in sorted(set(named) | set(sizes)):
            path = self._root / "sha256" / digest[:2] / digest
            if not path.is_file():
                found.append(f"artifact {digest} is not there")
            elif not self._is_sound(path):
                found.append(f"the file of artifact {digest} has another content")
            elif path.stat().st_size != sizes.get(digest, path.stat().st_size):
                found.append(f"artifact {digest} has {path.stat().st_size} bytes, on record are {sizes[digest]}")
        return found

    def _is_sound(self, path: Path) -> bool:
        status = path.stat()
        seen = (path.name, status.st_size, status.st_mtime_ns)
        if seen not in self._sound and hashlib.sha256(path.read_bytes()).hexdigest() == path.name:
            self._sound.add(seen)
        return seen in self._sound

    def unowned(self, session: Session) -> list[Path]:
        """Files that no row owns, for the cleaner: artifacts, drafts, and checkpoints that no row points to."""
        owned = {self._root / "sha256" / digest[:2] / digest for digest in owned_digests(session)}
        owned |= {self._root / name for name in checkpoint_names(session)}
        files = (path for path in self._root.rglob("*") if path.is_file() and path.suffix != ".lock")
        return sorted(path for path in files if path not in owned)


def owned_digests(session: Session) -> Iterator[str]:
    """The digest of every artifact that a row other than its own names."""
    for network in session.scalars(select(NetworkRow)):
        yield network.weights
        if network.test is not None:
            yield network.test["predictions"]
            if (sheet := (network.test.get("error_sheet") or {}).get("artifact")) is not None:
                yield sheet
    for architecture in session.scalars(select(ArchitectureRow)):
        yield from (getattr(architecture, file) for file in FILES)
    for column in (TaskRow.seen_images, TaskRow.samples):
        yield from session.scalars(select(column).where(column.is_not(None)))


def checkpoint_names(session: Session) -> Iterator[str]:
    """The checkpoint of every job that has not succeeded: those that failed or were cancelled can be tried again."""
    for job in session.scalars(
        select(JobRow).where(JobRow.checkpoint.is_not(None), JobRow.state != JobState.SUCCEEDED)
    ):
        yield job.checkpoint["name"]
