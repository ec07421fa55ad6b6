"""Uploaded datasets: each is a name for a file of the artifact store."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, delete, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from worker.errors import DatasetInUseError, DatasetNameTakenError, NotFoundError
from worker.registry.pages import newest_first
from worker.registry.retention import OWNERS
from worker.registry.tables import ArtifactRow, DatasetRow, RecommendationRow, TaskRow
from worker.registry.upsert import insert_missing

SCHEME = "dataset://"

_PRETRAINED = RecommendationRow.request["pretrained"]["weights"].as_string()


class Datasets:
    """The rows of `datasets`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def store(self, artifacts: Mapping[str, tuple[int, str]], **columns: Any) -> DatasetRow:
        """Store a dataset under its name, unless it is stored already; return the stored row.

        No process can drop its artifacts before the transaction ends, so the caller moves their files into place within
        it.

        Args:
            artifacts: bytes and media type of each of its files, by digest.
            columns: those of the row.

        Raises:
            DatasetNameTakenError: the name belongs to other content, or to the same content read in another way.
        """
        self._store_artifacts(artifacts)
        try:
            with self._session.begin_nested():
                row = DatasetRow(**columns)
                self._session.add(row)
        except IntegrityError:
            stored = self.get(columns["name"])
            if (stored.sha256, stored.reference) != (columns["sha256"], columns["reference"]):
                raise DatasetNameTakenError(stored.name) from None
            return stored
        return row

    def find(self, name: str) -> DatasetRow | None:
        """The dataset of this name, or None."""
        return self._session.scalar(select(DatasetRow).where(DatasetRow.name == name))

    def get(self, name: str) -> DatasetRow:
        """The dataset of this name.

        Raises:
            NotFoundError: no dataset has this name.
        """
        found = self.find(name)
        if found is None:
            raise NotFoundError("dataset", name, by="name")
        return found

    def list(self, limit: int = 100, after: str | None = None) -> Sequence[DatasetRow]:
        """Datasets, newest first; the page after the dataset with the id `after`."""
        return self._session.scalars(newest_first(select(DatasetRow), DatasetRow, limit=limit, after=after)).all()

    def names(self, limit: int) -> Sequence[str]:
        """The names of at most `limit` datasets, in order."""
        return self._session.scalars(select(DatasetRow.name).order_by(DatasetRow.name).limit(limit)).all()

    def hold(self, names: Collection[str]) -> dict[str, DatasetRow]:
        """The existing datasets among the names; none of them can be deleted before the transaction ends."""
        statement = select(DatasetRow).where(DatasetRow.name.in_(names)).order_by(DatasetRow.name)
        return {row.name: row for row in self._session.scalars(statement.with_for_update(read=True))}

    def uses(self, names: Collection[str]) -> dict[str, int]:
        """How many tasks refer to each of these datasets, for its images or its weights; 0 for an unused one.

        The target of a recommendation also refers to the weights of the recommendation's pretrained network.
        """
        uri = TaskRow.dataset["uri"].as_string()
        uris = [f"{SCHEME}{name}" for name in names]
        images = select(uri.label("used")).where(uri.in_(uris))
        pretrained = select(_PRETRAINED.label("used")).where(_PRETRAINED.in_(uris))
        weights = select(TaskRow.weights.label("used")).where(TaskRow.weights.in_(names))
        used = images.union_all(weights, pretrained).subquery().c.used
        counts = dict.fromkeys(names, 0)
        for name, count in self._session.execute(select(used, func.count()).group_by(used)):
            counts[name.removeprefix(SCHEME)] += count
        return counts

    def users(self, name: str, limit: int) -> Sequence[TaskRow]:
        """At most `limit` of the tasks that refer to a dataset, for its images or its weights, oldest first."""
        return self._session.scalars(_users(select(TaskRow), name).limit(limit)).all()

    def delete(self, name: str) -> Sequence[str]:
        """Delete a dataset; return the artifacts that no row owns any more, whose files may go before the transaction
        ends.

        Raises:
            NotFoundError: no such dataset.
            DatasetInUseError: a task refers to it.
        """
        row = self._session.scalar(select(DatasetRow).where(DatasetRow.name == name).with_for_update())
        if row is None:
            raise NotFoundError("dataset", name, by="name")
        tasks = self._session.scalars(_users(select(TaskRow.name), name).limit(DatasetInUseError.LISTED + 1)).all()
        if tasks:
            raise DatasetInUseError(name, tasks)
        artifacts = sorted(filter(None, {row.sha256, row.samples}))
        self._session.execute(select(ArtifactRow).where(ArtifactRow.digest.in_(artifacts)).with_for_update())
        self._session.execute(delete(DatasetRow).where(DatasetRow.id == row.id))
        free = [digest for digest in artifacts if not self._is_owned(digest)]
        self._session.execute(delete(ArtifactRow).where(ArtifactRow.digest.in_(free)))
        return free

    def _store_artifacts(self, artifacts: Mapping[str, tuple[int, str]]) -> None:
        """Store and lock their rows; if one is being deleted, wait for that, and store it again."""
        rows = [{"digest": digest, "bytes": size, "media_type": kind} for digest, (size, kind) in artifacts.items()]
        locked: Sequence[str] = ()
        while len(locked) < len(rows):
            insert_missing(self._session, ArtifactRow, rows)
            wanted = select(ArtifactRow.digest).where(ArtifactRow.digest.in_(artifacts)).order_by(ArtifactRow.digest)
            locked = self._session.scalars(wanted.with_for_update()).all()

    def _is_owned(self, digest: str) -> bool:
        return any(self._session.scalar(select(column).where(column == digest).limit(1)) for column in OWNERS)


def _users(statement: Select[Any], name: str) -> Select[Any]:
    """Restrict the tasks to those that refer to the dataset, oldest first."""
    uri = f"{SCHEME}{name}"
    of_images = TaskRow.dataset["uri"].as_string() == uri
    of_pretrained = TaskRow.id.in_(select(RecommendationRow.task_id).where(_PRETRAINED.in_([uri])))
    refers = or_(of_images, TaskRow.weights == name, of_pretrained)
    return statement.where(refers).order_by(TaskRow.created_at, TaskRow.id)
