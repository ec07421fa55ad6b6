"""The figures of a recommendation."""

from typing import Literal

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from service.api.dependencies import ResourceId, ResourcesDependency
from service.api.evaluation import evaluation_document
from service.api.http.conditional import conditional_figure
from service.dashboard.recommendation_view import View, view_of
from service.figures.alphas import alphas
from service.figures.candidates import candidates
from service.figures.confusion import confusion, recalls
from service.figures.control import control
from service.figures.figure import Figure, FigureFormat
from service.figures.incumbents import incumbents
from service.figures.nearest import nearest
from service.figures.race import race
from worker.registry import reading

router = APIRouter()


@router.get("/figures/recommendations/{recommendation_id}/{what}.{format}")
def figure_of_recommendation(
    recommendation_id: ResourceId,
    what: Literal["distances", "alphas", "incumbents", "candidates", "race", "control", "confusion", "recall"],
    format: FigureFormat,
    request: Request,
    resources: ResourcesDependency,
) -> Response:
    """Serves one figure; 404 while it has no data."""
    with reading(resources.engine) as registry:
        view, row = view_of(registry, recommendation_id)
    if what in ("confusion", "recall"):
        evaluation = evaluation_document(row, resources.store)
        figure = confusion(evaluation) if what == "confusion" else recalls(evaluation)
    else:
        figure = _figure(view, what)
    return conditional_figure(request, figure, format)


def _figure(view: View, what: str) -> Figure:
    history, document = view.history, view.document
    if what == "distances":
        return nearest(document, history.distances)
    if what == "alphas":
        return alphas(history)
    if what == "incumbents":
        return incumbents(history)
    if what == "candidates":
        limit = (document.search.constraints or {}).get("max_parameters")
        return candidates(view.candidates, view.chosen, None if limit is None else int(limit))
    if what == "race":
        return race(document.alternatives or ())
    if document.control is None:
        raise HTTPException(404, "the request did not ask for a control")
    return control(document.control)
