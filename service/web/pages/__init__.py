"""The dashboard's pages, a module for each entry of its menu."""

from fastapi import APIRouter

from service.web.pages import (
    compare,
    datasets,
    distances,
    entrance,
    jobs,
    new,
    overview,
    recommendation,
    recommendation_figures,
    task_figures,
    tasks,
)

router = APIRouter(include_in_schema=False)
"""All of them; none is part of the API, so none is in its OpenAPI document."""

_PAGES = (
    overview,
    tasks,
    task_figures,
    distances,
    compare,
    jobs,
    datasets,
    new,
    recommendation,
    recommendation_figures,
    entrance,
)

# `new` comes before what a recommendation's id leads to.
for page in _PAGES:
    router.include_router(page.router)
