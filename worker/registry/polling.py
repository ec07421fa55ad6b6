"""The most frequent polls: a job, and a recommendation with its job, each as one statement for a `QuickReader`.

A row holds everything that the response depends on, with JSON as text: equal rows give equal responses. PostgreSQL has
a shorter way to detect that a row has changed: every version of it has the number of the transaction that wrote it
(`xmin`, section 5.6 of its manual), which can be read without the long texts.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Text, bindparam, cast, exists, literal_column, select

from worker.registry.job_models import Job
from worker.registry.models import Recommendation, Webhook
from worker.registry.quick_reader import Question
from worker.registry.states import JobState

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


JOB = Question(select(*_texts(Job, _JOB), *_json_texts(Job, _JOB_JSON)).where(Job.id == bindparam("id")))
"""The row of `job_of`, by the job's id."""

JOB_MARK = Question(select(_version(Job)).select_from(Job).where(Job.id == bindparam("id")))
"""On PostgreSQL: changes with the row of `JOB`."""

_HAS_WEBHOOK = exists().where(Webhook.job_id == Recommendation.job_id)

RECOMMENDATION = Question(
    select(
        *_texts(Recommendation, _RECOMMENDATION),
        *_json_texts(Recommendation, _RECOMMENDATION_JSON),
        *_texts(Job, _JOB),
        *_json_texts(Job, _ITS_JOB_JSON),
        _HAS_WEBHOOK,
    )
    .join(Job, Job.id == Recommendation.job_id)
    .where(Recommendation.id == bindparam("id"))
)
"""The row of `recommendation_of`, by the recommendation's id. Its last column is the state of a webhook, if any."""

RECOMMENDATION_MARK = Question(
    select(_version(Recommendation), _version(Job), _HAS_WEBHOOK)
    .select_from(Recommendation)
    .join(Job, Job.id == Recommendation.job_id)
    .where(Recommendation.id == bindparam("id"))
)
"""On PostgreSQL: changes with the row of `RECOMMENDATION`."""


def job_of(row: Row) -> Job:
    """The job as an object outside of any session, without the columns that only workers need."""
    return Job(**_named(row, _JOB, _JOB_JSON))


def recommendation_of(row: Row) -> tuple[Recommendation, Job]:
    """The recommendation and its job, in the same way."""
    columns = len(_RECOMMENDATION) + len(_RECOMMENDATION_JSON)
    recommendation = Recommendation(**_named(row[:columns], _RECOMMENDATION, _RECOMMENDATION_JSON))
    return recommendation, Job(**_named(row[columns:-1], _JOB, _ITS_JOB_JSON))


def _named(row: Row, plain: Sequence[str], documents: Sequence[str]) -> dict[str, Any]:
    values = dict(zip(plain, row, strict=False))
    if "state" in values:
        values["state"] = JobState(values["state"])
    texts = zip(documents, row[len(plain) :], strict=True)
    return values | {name: None if text is None else json.loads(text) for name, text in texts}
