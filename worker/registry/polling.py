"""The most frequent polls: a job, and a recommendation with its job, each as one statement for a `QuickReader`.

A row holds everything that the response depends on, with JSON as text: equal rows give equal responses. PostgreSQL has
a shorter way to detect that a row has changed: every version of it has the number of the transaction that wrote it
(`xmin`, section 5.6 of its manual), which can be read without the long texts.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Text, bindparam, cast, exists, literal_column, select

from worker.registry.quick_reader import Question
from worker.registry.states import JobState
from worker.registry.tables import JobRow, RecommendationRow, WebhookRow

Row = Sequence[Any]

_JOB = (
    *("id", "state", "kind", "stage", "priority", "attempt", "failures", "max_attempts"),
    *("cancel_requested_at", "created_at", "started_at", "finished_at"),
)
_JOB_JSON = ("progress", "params", "result", "error")
_RECOMMENDATION = ("id", "name", "job_id", "task_id", "created_at")
_RECOMMENDATION_JSON = ("request", "document")
# A recommendation's answer does not contain the job's parameters and its result.
_ITS_JOB_JSON = ("progress", "error")


def _texts(table: Any, names: Iterable[str]) -> list[Any]:
    return [cast(getattr(table, name), Text) if name == "state" else getattr(table, name) for name in names]


def _json_texts(table: Any, names: Iterable[str]) -> list[Any]:
    return [cast(getattr(table, name), Text) for name in names]


def _version(table: Any) -> ColumnElement[str]:
    return literal_column(f"{table.__tablename__}.xmin::text")


JOB = Question(select(*_texts(JobRow, _JOB), *_json_texts(JobRow, _JOB_JSON)).where(JobRow.id == bindparam("id")))
"""The row of `job_of`, by the job's id."""

JOB_MARK = Question(select(_version(JobRow)).select_from(JobRow).where(JobRow.id == bindparam("id")))
"""On PostgreSQL: changes with the row of `JOB`."""

_HAS_WEBHOOK = exists().where(WebhookRow.job_id == RecommendationRow.job_id)

RECOMMENDATION = Question(
    select(
        *_texts(RecommendationRow, _RECOMMENDATION),
        *_json_texts(RecommendationRow, _RECOMMENDATION_JSON),
        *_texts(JobRow, _JOB),
        *_json_texts(JobRow, _ITS_JOB_JSON),
        _HAS_WEBHOOK,
    )
    .join(JobRow, JobRow.id == RecommendationRow.job_id)
    .where(RecommendationRow.id == bindparam("id"))
)
"""The row of `recommendation_of`, by the recommendation's id. Its last column is the state of a webhook, if any."""

RECOMMENDATION_MARK = Question(
    select(_version(RecommendationRow), _version(JobRow), _HAS_WEBHOOK)
    .select_from(RecommendationRow)
    .join(JobRow, JobRow.id == RecommendationRow.job_id)
    .where(RecommendationRow.id == bindparam("id"))
)
"""On PostgreSQL: changes with the row of `RECOMMENDATION`."""


def job_of(row: Row) -> JobRow:
    """The job as an object outside of any session, without the columns that only workers need."""
    return JobRow(**_named(row, _JOB, _JOB_JSON))


def recommendation_of(row: Row) -> tuple[RecommendationRow, JobRow]:
    """The recommendation and its job, in the same way."""
    columns = len(_RECOMMENDATION) + len(_RECOMMENDATION_JSON)
    recommendation = RecommendationRow(**_named(row[:columns], _RECOMMENDATION, _RECOMMENDATION_JSON))
    return recommendation, JobRow(**_named(row[columns:-1], _JOB, _ITS_JOB_JSON))


def _named(row: Row, plain: Sequence[str], documents: Sequence[str]) -> dict[str, Any]:
    values = dict(zip(plain, row, strict=False))
    if "state" in values:
        values["state"] = JobState(values["state"])
    texts = zip(documents, row[len(plain) :], strict=True)
    return values | {name: None if text is None else json.loads(text) for name, text in texts}
