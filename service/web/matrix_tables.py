"""The whole matrix as arrays, kept for as long as it stays what it is: a million distances take seconds to read."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from service.matrix import RECIPES, whole_matrix_tasks
from service.schemas.distances import Measure
from worker.registry.registry import Registry

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
        names: theirs.
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
    """The tables that were read last. Whoever asks for others waits until they are read, and reads none twice."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: tuple[Measure, str, MatrixTables] | None = None

    def get(self, registry: Registry, measure: Measure) -> MatrixTables:
        """The tables as they are now; read anew only where something in the registry has changed."""
        with self._lock:
            revision = registry.results.matrix_revision()
            if self._kept is not None and self._kept[:2] == (measure, revision):
                return self._kept[2]
            tables = read_tables(registry, measure)
            self._kept = None if revision is None else (measure, revision, tables)
            return tables


def read_tables(registry: Registry, measure: Measure) -> MatrixTables:
    """The matrix by one measure; some columns at a time, for a million rows of SQL at once fill the memory."""
    # For who looks at a heat map: a process that serves pages needs no numpy to start.
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
