"""Dependencies of routes: the process's resources, and the parameters that many routes share."""

import threading
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Header, Path, Query, Request

from service.api.matrix.cached_tables import KeptTables
from service.api.patterns import ID_IN_WORDS, ID_PATTERN, VISIBLE_ASCII_PATTERN
from service.api.polling.polls import Polls
from service.api.polling.rendered import RenderedAnswers
from service.api.security.callers import Caller, Callers
from service.api.telemetry.metrics import Metrics
from service.schemas.base import ItemT, Page
from worker.registry import Engine, QuickReader
from worker.settings import Settings
from worker.storage.artifacts import ArtifactStore


@dataclass(frozen=True, eq=False)
class Resources:
    """The resources of one API process.

    Attributes:
        settings: read at the entry point.
        engine: the registry's connections; opened at the first use.
        reader: answers the queries that nearly every request makes.
        store: the artifact store, with weights and code.
        rendered: a cache of answers that are large and seldom change.
        tables: the matrix as the dashboard draws it.
        polls: answers polls, from a cache where nothing has changed.
        submits: how many recommendations are stored at the same time.
        checks: the threads that check uploads, separate from those that answer requests.
        callers: authenticates requests.
        metrics: counts this process's requests, and reads the figures of the whole installation.
        stopping: set when the process is to end, so that open streams end too.
    """

    settings: Settings
    engine: Engine
    reader: QuickReader
    store: ArtifactStore
    rendered: RenderedAnswers
    tables: KeptTables
    polls: Polls
    submits: CapacityLimiter
    checks: Executor
    callers: Callers
    metrics: Metrics
    stopping: threading.Event


async def _resources(request: Request) -> Resources:
    # `async`, though it awaits nothing: FastAPI would run a plain function in a thread, at every request.
    resources: Resources = request.app.state.resources
    return resources


ResourcesDependency = Annotated[Resources, Depends(_resources)]


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


CallerDependency = Annotated[Caller, Depends(_caller)]
"""The caller that the gate authenticated; paths that are open to everyone have none."""

ResourceId = Annotated[str, Path(pattern=ID_PATTERN, description=ID_IN_WORDS)]

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=VISIBLE_ASCII_PATTERN,
        description="a repeated request with the same key and body returns the first result; another body is 422",
    ),
]

Limit = Annotated[int, Query(ge=1, le=200, description="items per page")]
After = Annotated[
    str | None, Query(pattern=ID_PATTERN, description="`next` of the previous page; absent: the first page")
]


def page(items: Sequence[ItemT], limit: int) -> Page[ItemT]:
    """The page of up to `limit + 1` items: the extra item only shows that a next page exists."""
    shown = list(items[:limit])
    return Page(items=shown, next=shown[-1].id if len(items) > limit else None)
