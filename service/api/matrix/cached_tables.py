"""The whole matrix as arrays, cached until it changes: reading a million distances takes seconds."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from service.api.matrix.table import RECIPES, whole_matrix_tasks
from worker.registry import Registry
from worker.specification import Measure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_COLUMNS_AT_ONCE = 20

Floats: TypeAlias = "NDArray[np.float64]"
Counts: TypeAlias = "NDArray[np.int64]"


@dataclass(frozen=True, eq=False)
class MatrixTables:
    """The matrix of N tasks.

    Attributes:
        ids: of the tasks, in the order of rows and columns.
        names: of the tasks.
        mean: [N, N] over repetitions, NaN where not measured.
        std: [N, N] over repetitions, NaN where not measured or measured once.
        repetitions: [N, N], 0 where not measured.
    """

    ids: Sequence[str]
    names: Sequence[str]
    mean: Floats
    std: Floats
    repetitions: Counts


class KeptTables:
    """Caches the tables that were read last. Concurrent requests for the same tables read them once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cached: tuple[Measure, str, MatrixTables] | None = None

    def get(self, registry: Registry, measure: Measure) -> MatrixTables:
        """Returns the current tables. Reads them again only after the matrix has changed."""
        with self._lock:
            revision = registry.results.matrix_revision()
            if self._cached is not None and self._cached[:2] == (measure, revision):
                return self._cached[2]
            tables = read_tables(registry, measure)
            self._cached = None if revision is None else (measure, revision, tables)
            return tables


def read_tables(registry: Registry, measure: Measure) -> MatrixTables:
    """Reads the matrix of one measure, some columns at a time: a million SQL rows at once need too much memory."""
    # Imported only for a heat map, so that a process that serves pages starts without numpy.
    import numpy as np

    names = whole_matrix_tasks(registry, measure)
    ids = [*names]
    place_of = {id: place for place, id in enumerate(ids)}
    mean, std = (np.full((len(ids), len(ids)), np.nan) for _ in range(2))
    repetitions = np.zeros(mean.shape, dtype=np.int64)
    for start in range(0, len(ids), _COLUMNS_AT_ONCE):
        for entry in registry.results.columns(measure, RECIPES, ids[start : start + _COLUMNS_AT_ONCE]):
            row, column = place_of.get(entry.source_task_id), place_of[entry.target_task_id]
            if row is not None:
                mean[row, column], repetitions[row, column] = entry.mean, entry.repetitions
                std[row, column] = np.nan if entry.std is None else entry.std
    return MatrixTables(ids, [*names.values()], mean, std, repetitions)
