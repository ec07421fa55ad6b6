"""The matrix as CSV: one line for each measured pair. The whole matrix is streamed while it is read."""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass

from fastapi.concurrency import run_in_threadpool

from service.api.matrix.table import RECIPES, whole_matrix_tasks
from worker.registry import Engine, MatrixEntry, reading
from worker.specification import Measure

# About 0.5 MB of lines, made within a few hundredths of a second, so that other requests get processor time.
LINES_AT_ONCE = 4000

HEADER = "source_id,source,target_id,target,mean,std,repetitions\r\n"


def csv_lines(entries: Iterable[MatrixEntry], names: Mapping[str, str]) -> str:
    """One line for each entry, in their order (RFC 4180)."""
    # Without the csv module, which would take most of the time of a large matrix: only names may need quotes.
    labels = {id: f"{id},{_quoted(name)}" for id, name in names.items()}
    return "".join(
        f"{labels[source]},{labels[target]},{mean},{'' if std is None else std},{repetitions}\r\n"
        for source, target, mean, std, repetitions in entries
    )


@dataclass(frozen=True)
class WholeMatrix:
    """The matrix of all tasks, of which only the names are read yet.

    Attributes:
        names: the names of the tasks by id, in the order of rows and columns.
        tag: identifies the revision of the registry that the names belong to; weak, because the bytes are not made
            yet. None where the registry has no revision.
    """

    measure: Measure
    names: Mapping[str, str]
    tag: str | None


def whole_matrix_tag(revision: str | None) -> str | None:
    """The tag of the whole matrix at this revision."""
    return None if revision is None else f'W/"{revision}-csv"'


def begin_whole_matrix(engine: Engine, measure: Measure) -> WholeMatrix:
    """Reads the names of the matrix and its revision.

    Raises:
        DatabaseUnavailableError: the database refused, timed out or closed the connection.
    """
    with reading(engine) as registry:
        tag = whole_matrix_tag(registry.results.matrix_revision())
        return WholeMatrix(measure, whole_matrix_tasks(registry, measure), tag)


async def whole_matrix_lines(engine: Engine, matrix: WholeMatrix) -> AsyncIterator[bytes]:
    """Yields the whole matrix in parts: the lines of some targets at a time, those of one target by the sources' age.

    Each part is a separate short transaction, which begins once the previous part was sent: a slow client holds no
    connection, and only one part is in memory. The tasks are those at the start; a distance that is stored meanwhile
    appears in the lines of its target, unless they were sent before.

    Raises:
        DatabaseUnavailableError: the database closed the connection; the answer is then truncated.
    """
    yield HEADER.encode()
    targets, at_once = [*matrix.names], max(1, LINES_AT_ONCE // max(1, len(matrix.names)))
    for start in range(0, len(targets), at_once):
        yield await run_in_threadpool(_part, engine, matrix, targets[start : start + at_once])


def _part(engine: Engine, matrix: WholeMatrix, targets: list[str]) -> bytes:
    with reading(engine) as registry:
        entries = registry.results.columns(matrix.measure, RECIPES, targets)
    age = {id: place for place, id in enumerate(matrix.names)}
    known = [entry for entry in entries if entry.source_task_id in age]
    known.sort(key=lambda entry: (age[entry.target_task_id], age[entry.source_task_id]))
    return csv_lines(known, matrix.names).encode()


def _quoted(name: str) -> str:
    text = io.StringIO()
    csv.writer(text).writerow((name,))
    return text.getvalue().removesuffix("\r\n")
