"""`/compare`: two or more recommendations side by side."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from markupsafe import Markup

from service.api.dependencies import Resources, ResourcesDependency
from service.api.http.conditional import conditional_figure
from service.api.patterns import ID_PATTERN
from service.api.serializers import recommendation_document
from service.dashboard.rendering import page
from service.figures.cell_drawing import cell_drawing
from service.figures.comparison import comparison_figure
from service.figures.figure import FigureFormat
from service.schemas.answer import Recommendation
from worker.registry import reading

router = APIRouter()

MOST = 6
"""Columns that fit on a page."""
_OFFERED = 50

Ids = Annotated[list[Annotated[str, Query(pattern=ID_PATTERN)]], Query(max_length=MOST, alias="id")]


@router.get("/compare")
def compare(request: Request, resources: ResourcesDependency, ids: Ids = []) -> Response:  # noqa: B006
    """Shows the chosen recommendations in columns; with fewer than two, only the list to choose from."""
    chosen = _documents(resources, ids)
    with reading(resources.engine) as registry:
        offered = registry.recommendations.lines(limit=_OFFERED)
    drawings = [
        None if item.architecture.genotype is None else Markup(cell_drawing(item.architecture.genotype))
        for item in chosen
    ]
    return page(request, "compare.html", chosen=chosen, offered=offered, drawings=drawings, most=MOST)


@router.get("/figures/compare.{format}")
def comparison(request: Request, resources: ResourcesDependency, format: FigureFormat, ids: Ids = []) -> Response:  # noqa: B006
    """Draws test accuracy against parameters."""
    return conditional_figure(request, comparison_figure(_documents(resources, ids)), format)


def _documents(resources: Resources, ids: list[str]) -> list[Recommendation]:
    with reading(resources.engine) as registry:
        rows = [registry.recommendations.get(id) for id in dict.fromkeys(ids)]
        return [recommendation_document(row, registry.jobs.get(row.job_id)) for row in rows]
