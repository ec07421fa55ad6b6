"""Streams a job's events (server-sent events): the stored ones, then new ones as they occur."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

from fastapi import Header
from fastapi.sse import ServerSentEvent
from starlette.exceptions import HTTPException

from service.api.dependencies import Resources
from service.api.security.callers import Caller
from worker.errors import DatabaseUnavailableError, NotFoundError
from worker.registry import EVENTS, JobEventRow, events_of

POLL_SECONDS = 0.5
BATCH = 500

NOTHING_LEFT: dict[int | str, dict[str, Any]] = {
    204: {"description": "The job has ended and has no event after `Last-Event-ID`: do not reconnect"}
}
"""The `responses` of a route that returns `feed`."""

# SQLite and PostgreSQL both number events with 63 bits; an invented number must not overflow that.
LastEventId = Annotated[
    int,
    Header(alias="Last-Event-ID", ge=0, le=2**63 - 1, description="the stream resumes after this event"),
]


async def _next_events(resources: Resources, job_id: str, after: int) -> tuple[Sequence[JobEventRow], bool]:
    """The events after `after`, and whether they are the last ones of a job that has ended."""
    rows = await resources.reader.ask(EVENTS, id=job_id, after=after, limit=BATCH)
    if not rows:
        raise NotFoundError("job", job_id)
    state, events = events_of(rows)
    return events, state.ended and len(events) < BATCH


async def refuse_finished_stream(resources: Resources, job_id: str, after: int) -> None:
    """Answers 204 where no events remain: the status makes a browser's `EventSource` stop reconnecting.

    Raises:
        NotFoundError: the job does not exist.
    """
    events, last = await _next_events(resources, job_id, after)
    if last and not events:
        raise HTTPException(204)


async def feed(resources: Resources, caller: Caller, job_id: str, after: int) -> AsyncIterator[ServerSentEvent]:
    """Yields every event of the job after the one numbered `after`, until the job has ended or the process stops.

    It also ends once the caller's key is no longer valid: a client that reconnects receives the status.

    Each poll is one query: a stream that stays open for hours holds no connection, no transaction and no thread.
    """
    while not resources.stopping.is_set():
        try:
            if not await resources.callers.still_admits(caller):
                return
            events, last = await _next_events(resources, job_id, after)
        except (NotFoundError, DatabaseUnavailableError):
            # The job was deleted, or the database is unreachable: the client reconnects and receives the status.
            return
        for event in events:
            yield ServerSentEvent(id=str(event.id), event=event.kind, data=event.data)
            after = event.id
        if last:
            return
        if len(events) < BATCH:
            await asyncio.sleep(POLL_SECONDS)
