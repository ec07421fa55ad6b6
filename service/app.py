"""The web application: its routes, its limits, and how it answers what goes wrong."""

import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.types import Scope

from service.dependencies import Resources
from service.http.body_limit import BodyLimit
from service.http.handlers import install_handlers
from service.http.head import HeadAsGet
from service.observation.metrics import Metrics
from service.observation.requests import SeenRequests, log_request
from service.polls import Polls
from service.rendered import RenderedAnswers
from service.routes import (
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
from service.security.callers import Callers
from service.security.documentation import describe_keys
from service.security.gate import Gate
from service.security.headers import SecurityHeaders
from service.web import pages, statics
from service.web.matrix_tables import KeptTables
from worker.artifacts import open_store
from worker.registry.revisions import RevisionWatch
from worker.registry.session import open_engine
from worker.settings import Settings

BODY_LIMIT_BYTES = 2**20
# Uploads that are looked through at the same time; the others wait for their turn.
CHECKS_AT_ONCE = 2

_SUMMARY = "Recommends a neural architecture for a new image-classification task from the tasks it already knows"


class Application(FastAPI):
    """The framework's, whose OpenAPI document also says which key each operation needs."""

    def openapi(self) -> dict[str, Any]:
        """The document; made once."""
        if self.openapi_schema is None:
            describe_keys(super().openapi())
        return super().openapi()


# The router looks through them in this order: first what is asked most.
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
    """The application for these settings; connects to nothing before the first request.

    Args:
        settings: as read at the entry point of the process.
        stopping: set it to end the open event streams, before the server waits for its connections to close.
    """
    resources = _resources(settings, stopping or threading.Event())
    app = Application(
        title="ldnas",
        summary=_SUMMARY,
        version=version("ldnas"),
        lifespan=_lifespan,
        docs_url=None,  # `routes.reference` has a page that loads nothing from elsewhere
        redoc_url=None,
        webhooks=webhooks.router,
    )
    app.state.resources = resources
    _stand_in_front(app, resources)
    install_handlers(app)
    for part in _PARTS:
        app.include_router(part.router)
    return app


def _resources(settings: Settings, stopping: threading.Event) -> Resources:
    engine = open_engine(settings.database_url)
    return Resources(
        settings=settings,
        engine=engine,
        store=open_store(settings.artifact_url),
        rendered=RenderedAnswers(),
        matrix_revision=RevisionWatch(engine),
        tables=KeptTables(),
        polls=Polls(engine),
        checks=ThreadPoolExecutor(CHECKS_AT_ONCE, "check"),
        callers=Callers(engine, settings.host),
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


def _stand_in_front(app: FastAPI, resources: Resources) -> None:
    """What a request meets before its route. The last one added is the first: whoever may not come in sends no body."""

    def limit_bytes(scope: Scope) -> int:
        return resources.settings.max_upload_bytes if datasets.is_upload(scope) else BODY_LIMIT_BYTES

    app.add_middleware(HeadAsGet)
    app.add_middleware(BodyLimit, limit_bytes=limit_bytes)
    app.add_middleware(Gate, callers=resources.callers)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(SeenRequests, tell=(resources.metrics.count, log_request))
