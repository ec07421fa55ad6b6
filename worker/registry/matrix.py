"""The matrix of distances between tasks, out of the distances between their networks."""

import statistics
from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, aliased

from worker.registry.models import Distance, Task, TaskNetwork


@dataclass(frozen=True)
class MatrixEntry:
    """The distance from one task to another over their repetitions.

    Attributes:
        mean: mean over repetitions r of d(network r of the source, network r of the target), never negative.
        std: sample standard deviation over repetitions (n-1), None for a single one.
        repetitions: how many pairs were measured.
    """

    source_task_id: str
    target_task_id: str
    mean: float
    std: float | None
    repetitions: int


def measured_distances(
    session: Session, measure: str, recipe_digest: str | None, source: str | None, target: str | None
) -> list[MatrixEntry]:
    """Every pair of tasks that was measured; `source` and `target` (id or name) narrow it down.

    Without a recipe the one last used for this measure counts: figures of two recipes do not compare.
    """
    recipe = recipe_digest or session.scalar(
        select(Distance.recipe_digest).where(Distance.measure == measure).order_by(Distance.created_at.desc()).limit(1)
    )
    of_source, of_target = aliased(TaskNetwork), aliased(TaskNetwork)
    statement = (
        select(of_source.task_id, of_target.task_id, of_source.repetition, Distance.value)
        .join(Distance, Distance.source_network == of_source.network_key)
        .join(of_target, Distance.target_network == of_target.network_key)
        .where(of_source.repetition == of_target.repetition)
        .where(Distance.measure == measure, Distance.recipe_digest == recipe)
        .order_by(Distance.created_at)
    )
    for links, wanted in ((of_source, source), (of_target, target)):
        if wanted is not None:
            ids = select(Task.id).where(or_(Task.id == wanted, Task.name == wanted))
            statement = statement.where(links.task_id.in_(ids))
    # Of two measurements of one pair on different images the later one counts.
    values: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for source_id, target_id, repetition, value in session.execute(statement):
        values[source_id, target_id][repetition] = value
    return [_entry(*pair, [*measured.values()]) for pair, measured in values.items()]


def _entry(source_id: str, target_id: str, values: list[float]) -> MatrixEntry:
    spread = statistics.stdev(values) if len(values) > 1 else None
    return MatrixEntry(source_id, target_id, statistics.fmean(values), spread, len(values))
