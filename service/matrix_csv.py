"""The matrix as CSV: one line for each measured pair. The whole of it is sent as it is read, however large it is."""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass

from fastapi.concurrency import run_in_threadpool

from service.dependencies import Resources
from service.matrix import RECIPES, whole_matrix_tasks
from service.schemas.distances import Measure
from worker.registry.matrix import MatrixEntry
from worker.registry.session import reading

# Some 0.5 MB of lines, made within a few hundredths of a second: other requests want the processor too.
LINES_AT_ONCE = 4000

HEADER = "source_id,source,target_id,target,mean,std,repetitions\r\n"


def csv_lines(entries: Iterable[MatrixEntry], names: Mapping[str, str]) -> str:
    """A line for each of the entries, in their order (RFC 4180)."""
    # Not by the module csv, which would take most of the time of a large matrix: only names may need quotes.
    labels = {id: f"{id},{_quoted(name)}" for id, name in names.items()}
    return "".join(
        f"{labels[source]},{labels[target]},{mean},{'' if std is None else std},{repetitions}\r\n"
        for source, target, mean, std, repetitions in entries
    )


@dataclass(frozen=True)
class WholeMatrix:
    """The matrix of all tasks, of which nothing is read yet but their names.

    Attributes:
        names: of the tasks by their ids, in the order of rows and columns.
        tag: says which revision of the registry the names are of; weak, for nobody has made the bytes yet. None where
            the registry has no revision.
    """

    measure: Measure
    names: Mapping[str, str]
    tag: str | None


def whole_matrix_tag(revision: str | None) -> str | None:
    """The tag of the whole matrix at this revision."""
    return None if revision is None else f'W/"{revision}-csv"'


def begin_whole_matrix(resources: Resources, measure: Measure) -> WholeMatrix:
    """The matrix as it begins.

    Raises:
        DatabaseUnavailableError: the database refused, timed out or broke off.
    """
    with reading(resources.engine) as registry:
        tag = whole_matrix_tag(registry.results.matrix_revision())
        return WholeMatrix(measure, whole_matrix_tasks(registry, measure), tag)


async def whole_matrix_lines(resources: Resources, matrix: WholeMatrix) -> AsyncIterator[bytes]:
    """The whole matrix in parts: the lines of some targets at a time, those of one target by the age of the sources.

    Each part is a short transaction of its own, begun when the part before it was taken off our hands: whoever reads
    slowly holds no connection, and however large the matrix is, one part of it is in memory. The tasks are those of
    the beginning; a distance that is stored meanwhile is in the lines of its target, unless they were sent before.

    Raises:
        DatabaseUnavailableError: the database broke off; the answer then breaks off too, before its end.
    """
    yield HEADER.encode()
    targets, at_once = [*matrix.names], max(1, LINES_AT_ONCE // max(1, len(matrix.names)))
    for start in range(0, len(targets), at_once):
        yield await run_in_threadpool(_part, resources, matrix, targets[start : start + at_once])


def _part(resources: Resources, matrix: WholeMatrix, targets: list[str]) -> bytes:
    with reading(resources.engine) as registry:
        entries = registry.results.columns(matrix.measure, RECIPES, targets)
    age = {id: place for place, id in enumerate(matrix.names)}
    known = [entry for entry in entries if entry.source_task_id in age]
    known.sort(key=lambda entry: (age[entry.target_task_id], age[entry.source_task_id]))
    return csv_lines(known, matrix.names).encode()


def _quoted(name: str) -> str:
    text = io.StringIO()
    csv.writer(text).writerow((name,))
    return text.getvalue().removesuffix("\r\n")
