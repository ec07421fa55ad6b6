"""A limit on latency: the table that a search predicts it from, and the measurement that decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch

from ldnas.errors import ImpossibleConstraintError
from ldnas.space.constraints import Constraints
from ldnas.space.genotype import Genotype
from ldnas.space.latency import measure_latency_ms, measure_latency_table
from ldnas.space.latency_table import LatencyTable
from ldnas.space.network import build_cell_network
from ldnas.space.skeleton import Skeleton
from ldnas.space.space import SearchSpace
from worker.jobs.memo import Codec
from worker.registry import GenotypeRow

MEASURED_AT_MOST = 10


@dataclass(frozen=True)
class ChosenCell:
    """The genotype that a search ends with.

    Attributes:
        scored: the number of genotypes that the search scored.
        latency_ms: of the built network, as measured for the limit; None without a limit.
        warning: a sentence if no network satisfies the limit, else None.
    """

    genotype: Genotype
    scored: int
    latency_ms: float | None = None
    warning: str | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The choice written by `to_json`."""
        return cls(**{**value, "genotype": Genotype.from_json(value["genotype"])})

    def to_json(self) -> dict[str, Any]:
        """The choice as a JSON value."""
        return {**vars(self), "genotype": self.genotype.to_json()}


@dataclass(frozen=True)
class LatencyLimit:
    """A limit on latency as a search uses it: the table, None without a limit.

    `refusal` is a sentence instead if no cell of the space satisfies the limit, as predicted from the table.
    """

    table: LatencyTable | None
    refusal: str | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The limit written by `to_json`."""
        table = value["table"]
        return cls(None if table is None else LatencyTable.from_json(table), value["refusal"])

    def to_json(self) -> dict[str, Any]:
        """The limit as a JSON value."""
        return {"table": None if self.table is None else self.table.to_json(), "refusal": self.refusal}


CHOSEN_CELL = Codec(ChosenCell.to_json, ChosenCell.from_json)
LATENCY_LIMIT = Codec(LatencyLimit.to_json, LatencyLimit.from_json)


def latency_limit(
    constraints: Constraints, space: SearchSpace, skeleton: Skeleton, device: torch.device
) -> LatencyLimit:
    """Measure the table for a limit on latency; with the reason if no cell of the space satisfies the limit."""
    try:
        return LatencyLimit(latency_table(constraints, space, skeleton, device))
    except ImpossibleConstraintError as impossible:
        return LatencyLimit(None, str(impossible))


def latency_table(
    constraints: Constraints, space: SearchSpace, skeleton: Skeleton, device: torch.device
) -> LatencyTable | None:
    """Measure the table for a limit on latency; None without one.

    Raises:
        ImpossibleConstraintError: no cell of the space satisfies the limit, as predicted from the table.
    """
    if constraints.max_latency_ms is None:
        return None
    table = measure_latency_table(skeleton, space, device)
    constraints.require_possible(space, skeleton, table)
    return table


def fast_enough(
    rows: Sequence[GenotypeRow], skeleton: Skeleton, limit_ms: float | None, device: torch.device
) -> ChosenCell:
    """The first genotype, in order of merit, whose built network satisfies the limit; with a warning if none does.

    At most `MEASURED_AT_MOST` networks are measured. If all exceed the limit, the fastest of them is chosen.
    """
    if limit_ms is None:
        return ChosenCell(Genotype.from_json(rows[0].genotype), len(rows))
    chosen, *others = rows
    others.sort(key=lambda row: (-(row.epochs or 0), -(row.validation_accuracy or 0.0)))
    measured: list[tuple[float, Genotype]] = []
    for row in (chosen, *others)[:MEASURED_AT_MOST]:
        genotype = Genotype.from_json(row.genotype)
        network = build_cell_network(genotype, skeleton, seed=0).to(device).eval()
        milliseconds = measure_latency_ms(network, skeleton.image_size)
        if milliseconds <= limit_ms:
            return ChosenCell(genotype, len(rows), milliseconds)
        measured.append((milliseconds, genotype))
    fastest, genotype = min(measured, key=lambda pair: pair[0])
    warning = (
        f"none of the {len(measured)} best networks satisfies max_latency_ms of {limit_ms} when measured on this "
        f"device; the fastest of them takes {fastest} ms"
    )
    return ChosenCell(genotype, len(rows), fastest, warning)
