"""The lists, newest first; a page is one query for a `QuickReader`, with the columns that its lines show.

Other columns are not read: the answer of a recommendation can be a thousand times as large as its line.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Integer, bindparam, select

from worker.registry.base import Base
from worker.registry.columns import Columns, Row
from worker.registry.pages import newest_first
from worker.registry.polling import JOB_COLUMNS
from worker.registry.quick_reader import Question
from worker.registry.tables import ArchitectureRow, JobRow, RecommendationRow, TaskRow


@dataclass(frozen=True, eq=False)
class Listing:
    """A list of the rows of one table.

    Attributes:
        table: the table whose `created_at` orders the list.
        lines: the query of all lines.
        filters: the columns that a page may be filtered by.
    """

    table: type[Base]
    lines: Question
    filters: Mapping[str, Any] = field(default_factory=dict)


@cache
def page_of(listing: Listing, *given: str) -> Question:
    """The query of a page. Its parameters are `limit` and the `given`: filters, and `after`, the id before the page."""
    statement = listing.lines
    for name in given:
        if name != "after":
            statement = statement.where(listing.filters[name] == bindparam(name))
    after: BindParameter[str] | None = bindparam("after") if "after" in given else None
    return newest_first(statement, listing.table, limit=bindparam("limit", type_=Integer()), after=after)


class ListedRecommendation(NamedTuple):
    """A line of `RECOMMENDATIONS`; the times are seconds since the epoch."""

    id: str
    name: str | None
    job_id: str
    task_id: str
    created_at: float
    state: str
    stage: str | None
    finished_at: float | None
    verdict: str | None


class ListedTask(NamedTuple):
    """A line of `TASKS`: a task without the columns that only its own page shows, and the state of its job."""

    task: TaskRow
    state: str


_TASK = Columns(
    TaskRow,
    *("id", "name", "role", "job_id", "dataset", "labels", "architecture", "weights", "epsilon", "repetitions", "seed"),
    *("image_size", "class_names", "counts", "dataset_digest", "mapping_digest", "preprocessing_digest", "samples"),
    "created_at",
)
_STATE = Columns(JobRow, "state")
_ARCHITECTURE = Columns(
    ArchitectureRow,
    *("id", "recommendation_id", "job_id", "name", "design", "genotype", "skeleton", "class_names", "preprocessing"),
    *("parameters", "macs", "validation", "test", "created_at"),
)

JOBS = Listing(JobRow, select(*JOB_COLUMNS.selected), {"state": JobRow.state, "kind": JobRow.kind})
"""Rows of `job_of`."""

TASKS = Listing(
    TaskRow,
    select(*_TASK.selected, *_STATE.selected).join(JobRow, JobRow.id == TaskRow.job_id),
    {"role": TaskRow.role},
)
"""Rows of `listed_task`."""

RECOMMENDATIONS = Listing(
    RecommendationRow,
    select(
        *Columns(RecommendationRow, "id", "name", "job_id", "task_id", "created_at").selected,
        *Columns(JobRow, "state", "stage", "finished_at").selected,
        RecommendationRow.document["verdict"].as_string(),
    ).join(JobRow, JobRow.id == RecommendationRow.job_id),
)
"""Rows of `ListedRecommendation`."""

ARCHITECTURES = Listing(ArchitectureRow, select(*_ARCHITECTURE.selected))
"""Rows of `architecture_of`."""


def listed_task(row: Row) -> ListedTask:
    """The task, as an object outside of any session, and the state of its job."""
    *values, state = row
    return ListedTask(_TASK.entity(values), state)


def architecture_of(row: Row) -> ArchitectureRow:
    """The architecture, in the same way."""
    return _ARCHITECTURE.entity(row)
