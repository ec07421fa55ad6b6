"""What a route is given: the process's resources, and the parameters that many routes share."""

import threading
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Path, Query, Request

from service.observation.metrics import Metrics
from service.polls import Polls
from service.rendered import RenderedAnswers
from service.security.callers import Caller, Callers
from service.web.matrix_tables import KeptTables
from worker.artifacts import ArtifactStore
from worker.registry.revisions import RevisionWatch
from worker.registry.session import Engine
from worker.settings import Settings


@dataclass(frozen=True, eq=False)
class Resources:
    """What one API process holds for as long as it runs.

    Attributes:
        settings: as read at the entry point.
        engine: the registry's connections; opened when first needed.
        store: where weights and code lie.
        rendered: answers that are large and seldom change.
        matrix_revision: tells whether they have changed.
        tables: the matrix as the dashboard draws it.
        polls: answers to polls, as they were sent last.
        checks: the threads that look through uploads, apart from those that answer requests.
        callers: finds out who sends a request.
        metrics: counts this process's requests, and reads what all processes do.
        stopping: set when the process shall end, so that open streams end too.
    """

    settings: Settings
    engine: Engine
    store: ArtifactStore
    rendered: RenderedAnswers
    matrix_revision: RevisionWatch
    tables: KeptTables
    polls: Polls
    checks: Executor
    callers: Callers
    metrics: Metrics
    stopping: threading.Event


async def _resources(request: Request) -> Resources:
    # `async`, though it waits for nothing: the framework would hand any other to a thread, on every request.
    resources: Resources = request.app.state.resources
    return resources


ResourcesDependency = Annotated[Resources, Depends(_resources)]


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


CallerDependency = Annotated[Caller, Depends(_caller)]
"""Who sends the request, as the gate found; there is none on the paths that are open to everyone."""

ResourceId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="32 hexadecimal digits")]

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="asking twice with one key and one body is asking once; another body under the key is 422",
    ),
]

Limit = Annotated[int, Query(ge=1, le=200, description="items on a page")]
After = Annotated[
    str | None, Query(pattern=r"^[0-9a-f]{32}$", description="`next` of the page before; absent: the first page")
]
