"""Recommendations: the request and the answer so far."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ldnas.data.shown_uri import shown_uri
from worker.errors import NotFoundError, NotPromotableError, RecommendationBusyError
from worker.registry.leases import Leases
from worker.registry.pages import newest_first
from worker.registry.states import JobState, TaskRole
from worker.registry.tables import JobRow, RecommendationRow, TaskRow
from worker.registry.tasks import Tasks, delete_unmeasured


@dataclass(frozen=True)
class RecommendationLine:
    """One recommendation as a line of a list.

    Attributes:
        uri: of its dataset, as `shown_uri`.
        fraction: how far its job is, in [0, 1].
        closest: the name of the closest task, if any.
        accuracy: on test images, in [0, 1].
        parameters: of its network.
        created_at: seconds since the epoch, as is `finished_at`.
    """

    id: str
    name: str | None
    job_id: str
    task_id: str
    uri: str | None
    state: JobState
    stage: str | None
    fraction: float | None
    verdict: str | None
    closest: str | None
    accuracy: float | None
    parameters: int | None
    created_at: float
    finished_at: float | None


def recommendation_lines(
    session: Session, *, limit: int, after: str | None, state: JobState | None
) -> Sequence[RecommendationLine]:
    """Recommendations with jobs in that state, newest first; the page after the one with the id `after`."""
    document = RecommendationRow.document
    statement = select(
        RecommendationRow.id,
        RecommendationRow.name,
        RecommendationRow.job_id,
        RecommendationRow.task_id,
        RecommendationRow.request[("dataset", "uri")].as_string(),
        JobRow.state,
        JobRow.stage,
        JobRow.progress["fraction"].as_float(),
        document["verdict"].as_string(),
        document[("closest", "name")].as_string(),
        document[("test", "accuracy")].as_float(),
        document[("architecture", "parameters")].as_integer(),
        RecommendationRow.created_at,
        JobRow.finished_at,
    ).join(JobRow, JobRow.id == RecommendationRow.job_id)
    if state is not None:
        statement = statement.where(JobRow.state == state)
    rows = session.execute(newest_first(statement, RecommendationRow, limit=limit, after=after))
    lines = (RecommendationLine(*row) for row in rows)
    return [line if line.uri is None else replace(line, uri=shown_uri(line.uri)) for line in lines]


class Recommendations:
    """The rows of `recommendations`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def insert(self, **columns: Any) -> RecommendationRow:
        """Store a new recommendation."""
        recommendation = RecommendationRow(**columns)
        self._session.add(recommendation)
        self._session.flush()
        return recommendation

    def get(self, recommendation_id: str) -> RecommendationRow:
        """The recommendation as it is now.

        Raises:
            NotFoundError: no such recommendation.
        """
        recommendation = self._session.get(RecommendationRow, recommendation_id, populate_existing=True)
        if recommendation is None:
            raise NotFoundError("recommendation", recommendation_id)
        return recommendation

    def by_job(self, job_id: str) -> RecommendationRow | None:
        """The recommendation that this job works on, or None."""
        return self._session.scalar(select(RecommendationRow).where(RecommendationRow.job_id == job_id))

    def of_task(self, task_id: str) -> RecommendationRow | None:
        """The newest recommendation whose target is this task, or None."""
        wanted = select(RecommendationRow).where(RecommendationRow.task_id == task_id)
        return self._session.scalar(wanted.order_by(RecommendationRow.created_at.desc(), RecommendationRow.id).limit(1))

    def names(self, ids: Collection[str]) -> dict[str, str | None]:
        """The names of these recommendations by their ids; None for one without a name."""
        wanted = select(RecommendationRow.id, RecommendationRow.name).where(RecommendationRow.id.in_(ids))
        return dict(self._session.execute(wanted).all())

    def list(self, limit: int = 100, after: str | None = None) -> Sequence[RecommendationRow]:
        """Recommendations, newest first; the page after the one with the id `after`."""
        return self._session.scalars(
            newest_first(select(RecommendationRow), RecommendationRow, limit=limit, after=after)
        ).all()

    def with_jobs(self, limit: int) -> Sequence[tuple[RecommendationRow, JobRow]]:
        """The newest recommendations, each with its job."""
        statement = select(RecommendationRow, JobRow).join(JobRow, JobRow.id == RecommendationRow.job_id)
        page = newest_first(statement, RecommendationRow, limit=limit, after=None)
        return [(recommendation, job) for recommendation, job in self._session.execute(page)]

    def lines(
        self, limit: int = 100, after: str | None = None, state: JobState | None = None
    ) -> Sequence[RecommendationLine]:
        """Lines of a list, newest first, with jobs in that state; the page after the id `after`."""
        return recommendation_lines(self._session, limit=limit, after=after, state=state)

    def merge_document(self, recommendation_id: str, job_id: str, attempt: int, fields: dict[str, Any]) -> None:
        """Add fields to the answer; a field that exists already is replaced as a whole.

        Raises:
            AttemptLostError: the job is no longer held by this attempt.
            NotFoundError: no such recommendation.
        """
        Leases(self._session).touch(job_id, attempt)
        recommendation = self.get(recommendation_id)
        recommendation.document = {**recommendation.document, **fields}
        self._session.flush()

    def promote(self, recommendation_id: str, name: str | None = None) -> TaskRow:
        """Make the target a baseline, under its own name if none is given; a second call changes nothing.

        Raises:
            NotFoundError: no such recommendation.
            NotPromotableError: its job has not succeeded, or the target is a baseline of another name already.
            NameTakenError: another baseline holds the name.
        """
        recommendation = self.get(recommendation_id)
        state = self._session.get_one(JobRow, recommendation.job_id).state
        if state is not JobState.SUCCEEDED:
            raise NotPromotableError(recommendation_id, f"its job is {state.value}, not succeeded")
        tasks = Tasks(self._session)
        task = tasks.get(recommendation.task_id)
        if task.role != TaskRole.BASELINE:
            return tasks.promote(task.id, name or task.name)
        if name not in (None, task.name):
            raise NotPromotableError(recommendation_id, f"it is one already, with the name {task.name!r}")
        return task

    def delete(self, recommendation_id: str) -> None:
        """Delete the recommendation, and its target unless it was promoted; the architecture stays.

        Raises:
            NotFoundError: no such recommendation.
            RecommendationBusyError: its job has not ended yet.
            TaskBusyError: a job that measures distances to its target has not ended yet.
        """
        recommendation = self.get(recommendation_id)
        if not self._session.get_one(JobRow, recommendation.job_id).state.ended:
            raise RecommendationBusyError(recommendation_id, recommendation.job_id)
        self._session.execute(delete(RecommendationRow).where(RecommendationRow.id == recommendation_id))
        target = self._session.get(TaskRow, recommendation.task_id)
        if target is not None and target.role == TaskRole.TARGET:
            delete_unmeasured(self._session, target.id)
