"""A limit on latency: the table that a search predicts it from, and the measurement that decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ldnas.space.constraints import Constraints
from ldnas.space.genotype import Genotype
from ldnas.space.latency import measure_latency_ms, measure_latency_table
from ldnas.space.latency_table import LatencyTable
from ldnas.space.network import build_cell_network
from ldnas.space.skeleton import Skeleton
from ldnas.space.space import SearchSpace
from worker.registry import GenotypeRow

MEASURED_AT_MOST = 10


@dataclass(frozen=True, eq=False)
class FastEnough:
    """The chosen genotype.

    Attributes:
        latency_ms: of its built network, as measured for the limit; None without a limit.
        warning: a sentence if no network satisfies the limit, else None.
    """

    row: GenotypeRow
    latency_ms: float | None = None
    warning: str | None = None


def latency_table(
    constraints: Constraints,
    space: SearchSpace,
    skeleton: Skeleton,
    device: torch.device,
    measured: Mapping[str, Any] | None,
) -> LatencyTable | None:
    """The table for a limit on latency, None without one. A table `measured` by an earlier attempt is used again.

    Raises:
        ImpossibleConstraintError: no cell of the space satisfies the limit, as predicted from the table.
    """
    if constraints.max_latency_ms is None:
        return None
    table = LatencyTable.from_json(measured) if measured is not None else measure_latency_table(skeleton, space, device)
    constraints.require_possible(space, skeleton, table)
    return table


def fast_enough(
    rows: Sequence[GenotypeRow], skeleton: Skeleton, limit_ms: float | None, device: torch.device
) -> FastEnough:
    """The first genotype, in order of merit, whose built network satisfies the limit; with a warning if none does.

    At most `MEASURED_AT_MOST` networks are measured. If all exceed the limit, the fastest of them is chosen.
    """
    if limit_ms is None:
        return FastEnough(rows[0])
    chosen, *others = rows
    others.sort(key=lambda row: (-(row.epochs or 0), -(row.validation_accuracy or 0.0)))
    measured: list[tuple[float, GenotypeRow]] = []
    for row in (chosen, *others)[:MEASURED_AT_MOST]:
        network = build_cell_network(Genotype.from_json(row.genotype), skeleton, seed=0).to(device).eval()
        milliseconds = measure_latency_ms(network, skeleton)
        if milliseconds <= limit_ms:
            return FastEnough(row, milliseconds)
        measured.append((milliseconds, row))
    fastest, row = min(measured, key=lambda pair: pair[0])
    warning = (
        f"none of the {len(measured)} best networks satisfies max_latency_ms of {limit_ms} when measured on this "
        f"device; the fastest of them takes {fastest} ms"
    )
    return FastEnough(row, fastest, warning)
