"""The response of `GET /v1/workers`."""

from typing import Any

from pydantic import ConfigDict, Field

from service.schemas.base import Document, Instant, Resource
from service.schemas.jobs import Kind

_EXAMPLE: dict[str, Any] = {
    "id": "7b1e5c0a4d3f4e2b9a8c7d6e5f40312a",
    "name": "gpu-3:4121:7b1e5c",
    "host": "gpu-3",
    "devices": ["cuda:0", "cuda:1"],
    "slots": 2,
    "version": "0.1.0",
    "alive": True,
    "heartbeat_seconds": 15.0,
    "started_at": "2026-11-25T08:00:00Z",
    "seen_at": "2026-11-25T12:00:00Z",
    "gpus": [
        {"index": 0, "name": "NVIDIA H100", "memory_used_bytes": 6442450944, "memory_total_bytes": 85520809984},
        {"index": 1, "name": "NVIDIA H100", "memory_used_bytes": 536870912, "memory_total_bytes": 85520809984},
    ],
    "jobs": [
        {
            "id": "0f2b1c4d5e6f708192a3b4c5d6e7f809",
            "kind": "recommend",
            "stage": "search",
            "device": "cuda:0",
            "started_at": "2026-11-25T11:58:12Z",
        }
    ],
}


class Gpu(Document):
    """A GPU of the worker's host, at its last heartbeat; the memory of other programs is included."""

    index: int
    name: str
    memory_used_bytes: int
    memory_total_bytes: int


class RunningJob(Resource):
    """A job that the worker runs."""

    kind: Kind
    stage: str | None
    device: str = Field(description="the slot that the job runs in")
    started_at: Instant | None


class Worker(Resource):
    """One run of a worker process."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: str = Field(description="host, process id, and a suffix unique to this run")
    host: str
    devices: tuple[str, ...] = Field(description="device of each slot; `auto`: a GPU if available, else the CPU")
    slots: int = Field(description="maximum number of jobs that it runs at the same time")
    version: str
    alive: bool = Field(description="whether it was seen within three of its heartbeats")
    heartbeat_seconds: float
    started_at: Instant
    seen_at: Instant
    gpus: tuple[Gpu, ...]
    jobs: tuple[RunningJob, ...]
