"""Chooses the trained cells, of the closest task or the starter memory, that take part in a race with their weights."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from safetensors.torch import load as load_safetensors
from torch import Tensor

from ldnas.data.dataset import Split, count_common, fingerprints
from ldnas.memory.starter import read_starter
from ldnas.memory.starter_weights import starter_weights
from ldnas.networks.design import CellDesign, design_from_json
from worker.jobs.context import JobContext
from worker.jobs.memo import Codec
from worker.jobs.stages.baselines import ClosestTask, count_seen
from worker.jobs.stages.race_cells import pool_known
from worker.jobs.stages.resolve import ResolvedTask
from worker.jobs.stages.warm_start import diverged
from worker.registry import TaskCell
from worker.specification import RecommendationRequest

MOST_CELLS = 2
"""The most trained cells of the closest task that take part: each one shortens the cycles of all others."""


@dataclass(frozen=True)
class WarmCell:
    """A trained cell of the closest task or of the starter memory.

    Attributes:
        design: of its network, with the target's number of classes.
        network: the content key of the network whose weights, except the head's, are the first ones; of the starter
            memory, the prefix of its tensors.
        source: the name of the closest task, or of the task in the starter memory.
        starter: whether it is one of the starter memory.
    """

    design: CellDesign
    network: str
    source: str
    starter: bool = False

    @property
    def name(self) -> str:
        """The name of the candidate."""
        return f"cell {self.design.genotype.digest[:8]} from {self.source} at {self.design.image_size} px"

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The cell written by `to_json`."""
        design = design_from_json(value["design"])
        assert isinstance(design, CellDesign), "the memo has cells alone"
        return cls(design, value["network"], value["source"], value["starter"])

    def to_json(self) -> dict[str, Any]:
        """The cell as a JSON value."""
        return {**vars(self), "design": self.design.to_json()}


@dataclass(frozen=True)
class WarmCells:
    """The trained cells that take part, the best first, and warnings that say why others do not."""

    cells: tuple[WarmCell, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The cells written by `to_json`."""
        return cls(tuple(map(WarmCell.from_json, value["cells"])), tuple(value["warnings"]))

    def to_json(self) -> dict[str, Any]:
        """The cells as a JSON value."""
        return {"cells": [cell.to_json() for cell in self.cells], "warnings": list(self.warnings)}


WARM_CELLS = Codec(WarmCells.to_json, WarmCells.from_json)


def find_warm_cells(
    context: JobContext, task: ResolvedTask, request: RecommendationRequest, closest: ClosestTask | None
) -> WarmCells:
    """The trained cells of the closest task; without one that takes part, the best one of the starter memory.

    The starter memory takes part in races with known cells alone.
    """
    own = WarmCells() if closest is None else _of_task(context, task, request, closest)
    if own.cells or request.space != "known":
        return own
    starter = _of_starter(context, task, request)
    return WarmCells(starter.cells, own.warnings + starter.warnings)


def _of_task(
    context: JobContext, task: ResolvedTask, request: RecommendationRequest, closest: ClosestTask
) -> WarmCells:
    """The best trained cells of the closest task that the request admits, one of each cell and image size.

    None takes part if the closest task has read images that judge the target: its score would be too high.
    """
    with context.reading() as registry:
        stored = registry.task_results.cells(closest.task_id)
        source = registry.tasks.get(closest.task_id) if stored else None
    admitted = [*_admitted(stored, task, request, closest.name)]
    if source is None or not admitted:
        return WarmCells()
    if seen := count_seen(context, task, source, Split.VALIDATION, Split.TEST):
        reason = f"it was trained or validated on {seen} of the target's validation or test images"
        return WarmCells(warnings=(f"no trained cell of {closest.name} took part in the race: {reason}",))
    cells: dict[str, WarmCell] = {}
    warnings = []
    for cell in admitted:
        if cell.name in cells or len(cells) == MOST_CELLS:
            continue
        if diverged(first_weights(context, cell)):
            warnings.append(f"{cell.name} did not take part in the race: its weights are not finite")
        else:
            cells[cell.name] = cell
    return WarmCells(tuple(cells.values()), tuple(warnings))


def _of_starter(context: JobContext, task: ResolvedTask, request: RecommendationRequest) -> WarmCells:
    """The trained cell of the starter memory with the best pooled score, if the request admits one.

    Distances to the starter memory are not measured. Of one cell on several tasks, the one that was trained for the
    most classes is chosen, and of these the last one, which has seen photographs.
    """
    memory = read_starter()
    admitted = [
        (cell, design)
        for cell in memory.cells
        if (design := _admit(cell.design, task, request)) is not None
        and 2 * design.image_size >= task.image_size  # a cell from fresh weights has at least half of the side too
    ]
    if not admitted:
        return WarmCells()
    if seen := count_common(fingerprints(task.dataset, Split.VALIDATION, Split.TEST), memory.seen):
        reason = f"they were trained or validated on {seen} of the target's validation or test images"
        return WarmCells(warnings=(f"no trained cell of the starter memory took part in the race: {reason}",))
    pooled, _ = pool_known(context, task, request.measure)
    # `max` takes the first of equal ones.
    cell, design = max(
        reversed(admitted),
        key=lambda own: (pooled.advantage(own[0].design.genotype).mean, own[0].design.classes),
    )
    return WarmCells((WarmCell(design, cell.prefix, cell.source, starter=True),))


def first_weights(context: JobContext, cell: WarmCell) -> dict[str, Tensor]:
    """The weights and buffers of the cell's network, which the cleaner leaves alone until the job ends."""
    if cell.starter:
        return starter_weights(cell.network)
    with context.unit_of_work() as registry:
        row = registry.results.use_network(cell.network)
    assert row is not None, "a task or the memo names a stored network"
    return load_safetensors(context.store.read(row.weights))


def _admitted(
    stored: Sequence[TaskCell], task: ResolvedTask, request: RecommendationRequest, source: str
) -> Iterator[WarmCell]:
    """The stored cells with the target's classes that satisfy the requested image size and limits, but for latency."""
    for cell in stored:
        design = design_from_json(cell.design)
        assert isinstance(design, CellDesign), "only cells are linked"
        own = _admit(design, task, request)
        if own is not None:
            yield WarmCell(own, cell.network.key, source)


def _admit(design: CellDesign, task: ResolvedTask, request: RecommendationRequest) -> CellDesign | None:
    """The design with the target's classes; None if the requested image size or the limits do not admit it."""
    design = replace(design, skeleton=replace(design.skeleton, classes=task.classes))
    fits = request.image_size in (None, design.image_size)
    return design if fits and request.limits.admits(design.genotype, design.skeleton) else None
