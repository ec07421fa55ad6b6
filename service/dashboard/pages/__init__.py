"""The dashboard's pages, a module for each entry of its menu."""

from fastapi import APIRouter

from service.dashboard.pages import (
    compare,
    datasets,
    distances,
    jobs,
    login,
    new,
    overview,
    recommendation,
    recommendation_figures,
    task,
    task_figures,
    tasks,
)

router = APIRouter(include_in_schema=False)
"""All pages. They are not part of the API, so its OpenAPI document omits them."""

PAGES = (
    overview,
    tasks,
    task,
    task_figures,
    distances,
    compare,
    jobs,
    datasets,
    new,
    recommendation,
    recommendation_figures,
    login,
)

# `new` precedes the route of a recommendation's id, which would match it too.
for page in PAGES:
    router.include_router(page.router)
