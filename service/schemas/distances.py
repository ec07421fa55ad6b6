"""What `GET /v1/distances` answers."""

from typing import Any, Literal

from pydantic import Field

from service.schemas.base import Response

Measure = Literal["log_det_layerwise", "log_det"]


class TaskLabel(Response):
    """A row and a column of the matrix."""

    id: str
    name: str


class DistanceMatrix(Response):
    """Distances from the task of each row to the task of each column; `null` where not measured."""

    measure: Measure
    recipe: dict[str, Any] = Field(description="how the Fisher information was taken, with its digest")
    tasks: list[TaskLabel] = Field(description="row i and column i belong to task i")
    mean: list[list[float | None]]
    std: list[list[float | None]] = Field(description="over repetitions, n-1 in the denominator; null for one")
    repetitions: list[list[int | None]]
