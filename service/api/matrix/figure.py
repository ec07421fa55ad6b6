"""The matrix of distances as a figure."""

from collections.abc import Mapping
from typing import Any

from service.api.errors import MatrixTooLargeError
from service.figures.figure import Figure
from service.figures.heat_map import Axis, Shown, heat_map

MAX_TASKS = 200


def matrix_figure(matrix: Mapping[str, Any], shown: Shown = "mean") -> Figure:
    """The matrix as a heat map: rows are sources, columns are targets, in the order of the matrix.

    Args:
        matrix: the fields of a `DistanceMatrix`.
        shown: the table that the colours represent.

    Raises:
        MatrixTooLargeError: the matrix has more than 200 rows or columns.
    """
    sources, targets = matrix["sources"], matrix["targets"]
    if max(len(sources), len(targets)) > MAX_TASKS:
        raise MatrixTooLargeError(
            f"{max(len(sources), len(targets)):,} tasks exceed the limit of {MAX_TASKS} tasks of a picture; filter by "
            "`source` or `target`, or request JSON or CSV"
        )
    names = {task["id"]: task["name"] for task in matrix["tasks"]}
    rows, columns = (Axis([names[task] for task in axis], axis) for axis in (sources, targets))
    return heat_map(
        rows, columns, matrix, measure=matrix["measure"], shown=shown, address=pair_address(matrix["measure"])
    )


def pair_address(measure: str) -> str:
    """The URL template of the page of one pair, with `{source}` and `{target}`."""
    return f"/distances/{{source}}/{{target}}?measure={measure}"


def matrix_svg(matrix: Mapping[str, Any]) -> bytes:
    """The same as an SVG file; equal matrices give equal bytes.

    Raises:
        MatrixTooLargeError: the matrix has more than 200 rows or columns.
    """
    return matrix_figure(matrix).svg()
