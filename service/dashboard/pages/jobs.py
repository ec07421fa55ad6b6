"""`/jobs`: running, waiting and failed jobs, and the workers; `/jobs/{id}`: the history of one job."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from service.api.dependencies import After, ResourceId, ResourcesDependency
from service.api.serializers import job_document, worker_document
from service.dashboard.job_lines import job_lines
from service.dashboard.rendering import page
from service.schemas.jobs import State
from service.schemas.workers import Worker
from worker.registry import JobState, Registry, reading

router = APIRouter()

LISTED = 50
FAILED_LATELY = 10
SHOWN_WORKERS = 50
SHOWN_EVENTS = 200
_LONGEST_VALUE = 160
_LONGEST_DOCUMENT = 20_000


@dataclass(frozen=True)
class Seen:
    """A worker, and the seconds since it was seen."""

    worker: Worker
    seconds: float


@dataclass(frozen=True)
class EventLine:
    """An event of a job in words."""

    at: datetime
    kind: str
    words: str


@router.get("/jobs")
def jobs(
    request: Request, resources: ResourcesDependency, state: State | Literal["", "all"] = "", after: After = None
) -> Response:
    """Lists running jobs, waiting jobs with the next first, and the latest failures; or all jobs in one state."""
    with reading(resources.engine) as registry:
        counts = counts_by_state(registry)
        workers = seen_workers(registry)
        if state:
            wanted = None if state == "all" else JobState(state)
            rows = registry.jobs.list(state=wanted, limit=LISTED + 1, after=after)
            lines = {state: job_lines(registry, rows[:LISTED])}
        else:
            rows = []
            lines = {
                "running": job_lines(registry, registry.jobs.list(state=JobState.RUNNING, limit=LISTED)),
                "queued": job_lines(registry, registry.jobs.waiting(limit=LISTED)),
                "failed": job_lines(registry, registry.jobs.list(state=JobState.FAILED, limit=FAILED_LATELY)),
            }
    following = {"state": state, "after": rows[LISTED - 1].id} if len(rows) > LISTED else None
    return page(
        request,
        "jobs.html",
        lines=lines,
        counts=counts,
        workers=workers[:SHOWN_WORKERS],
        workers_in_all=len(workers),
        state=state,
        after=after,
        following=following and urlencode(following),
    )


@router.get("/jobs/{job_id}")
def job(job_id: ResourceId, request: Request, resources: ResourcesDependency) -> Response:
    """Shows the subject, the progress, the error and the events of a job."""
    with reading(resources.engine) as registry:
        row = registry.jobs.get(job_id)
        [line] = job_lines(registry, [row])
        events = registry.jobs.latest_events(job_id, limit=SHOWN_EVENTS + 1)
    event_lines = [
        EventLine(datetime.fromtimestamp(event.created_at, UTC), event.kind, in_words(event.data))
        for event in events[:SHOWN_EVENTS]
    ]
    document = job_document(row)
    return page(
        request,
        "job.html",
        line=line,
        job=document,
        events=event_lines,
        more_events=len(events) > SHOWN_EVENTS,
        asked=_shown(document.params),
        made=None if document.result is None else _shown(document.result),
    )


def counts_by_state(registry: Registry) -> dict[str, int]:
    """Counts the jobs in each state."""
    counts = {state.value: 0 for state in JobState}
    for (_, state), number in registry.figures.jobs().items():
        counts[state.value] += number
    return counts


def seen_workers(registry: Registry) -> list[Seen]:
    """Lists the registered workers, alive ones first."""
    now = registry.jobs.now()
    seen = [Seen(worker_document(item), max(0.0, now - item.row.seen_at)) for item in registry.workers.list()]
    return sorted(seen, key=lambda item: not item.worker.alive)


def in_words(data: Mapping[str, Any]) -> str:
    """Formats the data of an event as one line: `stage search, seconds 1.5`."""
    return ", ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in data.items() if value is not None)


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _shown(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return text if len(text) <= _LONGEST_DOCUMENT else f"{text[:_LONGEST_DOCUMENT]}\n…"
