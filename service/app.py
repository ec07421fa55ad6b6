"""The web application: routes, limits, middleware and error handlers."""

import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from anyio import CapacityLimiter
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.routing import Route
from starlette.types import Scope

from service.api.dependencies import Resources
from service.api.http.body_limit import BodyLimit
from service.api.http.handlers import install_handlers
from service.api.http.head import HeadAsGet
from service.api.http.root_path import RootPath, is_free
from service.api.http.security_headers import SecurityHeaders
from service.api.matrix.cached_tables import KeptTables
from service.api.polling.polls import Polls
from service.api.polling.rendered import RenderedAnswers
from service.api.routes import (
    architectures,
    datasets,
    distances,
    health,
    jobs,
    metrics,
    recommendations,
    reference,
    sessions,
    tasks,
    webhooks,
    workers,
)
from service.api.security.callers import Callers
from service.api.security.documentation import describe_keys
from service.api.security.gate import Gate
from service.api.telemetry.metrics import Metrics
from service.api.telemetry.requests import SeenRequests, log_request
from service.dashboard import pages, statics
from service.dashboard.error_pages import error_page
from worker.errors import SettingsError
from worker.registry import QuickReader, open_engine
from worker.settings import Settings
from worker.storage.artifacts import open_store

BODY_LIMIT_BYTES = 2**20
# Recommendations that are checked and stored at the same time; the others wait. With more threads each takes more
# processor time: they contend for the interpreter's lock and, on SQLite, for one writer.
SUBMITS_AT_ONCE = 2
# Uploads that are checked at the same time; the others wait.
CHECKS_AT_ONCE = 2

_SUMMARY = "Recommends a neural architecture for a new image-classification task from the tasks it already knows"


class Application(FastAPI):
    """A FastAPI application whose OpenAPI document also states the scope that each operation requires."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document; generated once."""
        if self.openapi_schema is None:
            describe_keys(super().openapi())
        return super().openapi()


# The router matches them in this order, so the most frequent requests come first.
_PARTS = (
    recommendations,
    jobs,
    distances,
    tasks,
    health,
    metrics,
    sessions,
    datasets,
    architectures,
    reference,
    workers,
    statics,
    pages,
)


def create_app(settings: Settings, stopping: threading.Event | None = None) -> FastAPI:
    """Creates the application for these settings; it opens no connection before the first request.

    Args:
        settings: read at the entry point of the process.
        stopping: an event that ends the open event streams, set before the server waits for its connections to close.

    Raises:
        SettingsError: the root path begins like one of the service's own paths.
    """
    resources = _resources(settings, stopping or threading.Event())
    app = Application(
        title="ldnas",
        summary=_SUMMARY,
        version=version("ldnas"),
        lifespan=_lifespan,
        docs_url=None,  # `routes.reference` serves a page that loads nothing from other hosts
        redoc_url=None,
        webhooks=webhooks.router,
    )
    app.state.resources = resources
    _add_middleware(app, resources)
    install_handlers(app, error_page)
    for part in _PARTS:
        app.include_router(part.router)
    _require_free(settings.root_path, app)
    return app


def _require_free(root_path: str, app: FastAPI) -> None:
    routers = (app, *(part.router for part in (*_PARTS, *pages.PAGES)))
    routes = (route.path for router in routers for route in router.routes if isinstance(route, Route))
    if not is_free(root_path, routes):
        raise SettingsError("LDNAS_ROOT_PATH", root_path, "a path whose first part is not one of the service's own")


def _resources(settings: Settings, stopping: threading.Event) -> Resources:
    engine = open_engine(settings.database_url)
    reader = QuickReader(engine)
    return Resources(
        settings=settings,
        engine=engine,
        reader=reader,
        store=open_store(settings),
        rendered=RenderedAnswers(),
        tables=KeptTables(),
        polls=Polls(reader),
        submits=CapacityLimiter(SUBMITS_AT_ONCE),
        checks=ThreadPoolExecutor(CHECKS_AT_ONCE, "check"),
        callers=Callers(engine, reader, settings.host),
        metrics=Metrics(engine),
        stopping=stopping,
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    resources: Resources = app.state.resources
    await run_in_threadpool(resources.store.sweep)
    yield
    resources.stopping.set()
    resources.checks.shutdown(wait=False, cancel_futures=True)
    resources.engine.dispose()


def _add_middleware(app: FastAPI, resources: Resources) -> None:
    """Adds the middleware. The one added last runs first, so a refused client never sends its body."""

    def limit_bytes(scope: Scope) -> int:
        return resources.settings.max_upload_bytes if datasets.is_upload(scope) else BODY_LIMIT_BYTES

    app.add_middleware(HeadAsGet)
    app.add_middleware(BodyLimit, limit_bytes=limit_bytes)
    app.add_middleware(Gate, callers=resources.callers)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(SeenRequests, observers=(resources.metrics.count, log_request))
    app.add_middleware(RootPath, root_path=resources.settings.root_path)
