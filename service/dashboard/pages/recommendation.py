"""`/recommendations`: the list, and each recommendation with its progress and its result."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from markupsafe import Markup
from starlette.exceptions import HTTPException

from service.api.dependencies import After, CallerDependency, ResourceId, ResourcesDependency
from service.api.http.conditional import conditional_body, tag_of
from service.dashboard.progress import stages_of
from service.dashboard.recommendation_view import View, evaluation_of, view_of
from service.dashboard.rendering import page
from service.dashboard.verdicts import how_good, verdict_of_control, what_to_do, why_this_network
from service.figures.cell_drawing import cell_drawing
from service.figures.control import ARMS
from worker.registry import JobState, Scope, reading

router = APIRouter()

OF_A_PAGE = 50
SHOWN_DISTANCES = 20
SHOWN_ERRORS = 16
FOLLOWED = (
    *(
        "state",
        "stage",
        "resolved",
        "network",
        "halving",
        "decided",
        "unusable",
        "distance",
        "candidates",
        "round",
        "iteration",
    ),
    *("genotype", "epoch", "micro_batch", "cycle"),
)
"""The kinds of events that update the page."""


@router.get("/recommendations")
def recommendations(
    request: Request,
    resources: ResourcesDependency,
    state: Annotated[JobState | None, Query()] = None,
    after: After = None,
) -> Response:
    """Lists all recommendations, or those in one state, newest first, a page at a time."""
    with reading(resources.engine) as registry:
        items = registry.recommendations.lines(limit=OF_A_PAGE + 1, after=after, state=state)
    shown, more = items[:OF_A_PAGE], len(items) > OF_A_PAGE
    return page(
        request,
        "recommendations.html",
        items=shown,
        next=shown[-1].id if more else None,
        chosen=None if state is None else state.value,
        states=[each.value for each in JobState],
        is_first=after is None,
        is_live=any(item.finished_at is None for item in shown),
    )


@router.get("/recommendations/{recommendation_id}")
def recommendation(
    recommendation_id: ResourceId, request: Request, resources: ResourcesDependency, caller: CallerDependency
) -> Response:
    """Shows one recommendation: its stages, its reasons, its network, and the errors of the network."""
    with reading(resources.engine) as registry:
        view, row = view_of(registry, recommendation_id)
    evaluation = evaluation_of(row, resources.store)
    return page(
        request,
        "recommendation.html",
        view=view,
        answer=view.document,
        name=view.document.name or f"recommendation {recommendation_id[:8]}",
        is_live=view.document.state in ("queued", "running"),
        followed=" ".join(FOLLOWED),
        stages=stages_of(view.document, with_control=bool(view.request.get("control")), with_race=view.is_race),
        why=why_this_network(view.document, with_race=view.is_race),
        good=how_good(view.document),
        advice=None if view.document.error is None else what_to_do(view.document.error),
        drawing=_drawing(view),
        evaluation=evaluation,
        shown_distances=SHOWN_DISTANCES,
        shown_errors=SHOWN_ERRORS,
        compared=None if view.document.control is None else verdict_of_control(view.document.control),
        arms=ARMS,
        figures=_figures(view, has_evaluation=evaluation is not None),
        may_write=caller.scope.includes(Scope.WRITE),
        base_url=str(request.base_url).rstrip("/"),
    )


@router.get("/recommendations/{recommendation_id}/cell.svg")
def cell(recommendation_id: ResourceId, request: Request, resources: ResourcesDependency) -> Response:
    """Serves the recommended cell as an SVG file."""
    with reading(resources.engine) as registry:
        view, _ = view_of(registry, recommendation_id)
    drawing = _drawing(view)
    if drawing is None:
        raise HTTPException(404, "this recommendation has no cell, or none yet")
    body = drawing.encode()
    return conditional_body(request, body, tag_of(body), "image/svg+xml")


def _drawing(view: View) -> Markup | None:
    """Draws the recommended cell as SVG; `cell_drawing` escapes all text in it."""
    genotype: dict[str, Any] | None = view.document.architecture.genotype or view.document.search.chosen
    return None if genotype is None else Markup(cell_drawing(genotype))


def _figures(view: View, *, has_evaluation: bool) -> dict[str, str]:
    """The names of all figures that have data, by their part of the address."""
    history, document = view.history, view.document
    there = {
        "distances": ("distances", bool(document.distances or history.distances)),
        "alphas": ("weights by round", any(each.alphas for each in history.rounds.values())),
        "incumbents": ("the best cell by iteration", bool(history.incumbents)),
        "candidates": ("tried cells", bool(view.candidates) and not view.is_race),
        "race": ("the race", bool(document.alternatives)),
        "control": ("other ways", document.control is not None and document.control.verdict is not None),
        "confusion": ("confusion matrix", has_evaluation),
        "recall": ("recall of each class", has_evaluation),
    }
    return {name: words for name, (words, is_there) in there.items() if is_there}
