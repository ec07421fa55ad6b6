"""The lines of a list of recommendations, read without the answers, which may be megabytes each."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.registry.pages import newest_first
from worker.registry.states import JobState
from worker.registry.tables import JobRow, RecommendationRow


@dataclass(frozen=True)
class RecommendationLine:
    """One recommendation as a line of a list.

    Attributes:
        uri: of its dataset.
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
    return [RecommendationLine(*row) for row in rows]
