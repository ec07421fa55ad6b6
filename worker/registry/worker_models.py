"""The table of worker processes."""

from typing import Any

from sqlalchemy import JSON, Double, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from worker.registry.base import Base, DatabaseNow


class WorkerRow(Base):
    """One run of a worker process, which renews `seen_at` every `heartbeat_seconds`; deleted when it shuts down
    cleanly.

    `name` begins the `lease_owner` of every job that it holds. `gpus` are the GPUs of its host: `index`, `name`,
    `memory_used_bytes`, `memory_total_bytes`.
    """

    __tablename__ = "workers"
    __table_args__ = (Index("ix_workers_seen_at", "seen_at"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    host: Mapped[str] = mapped_column(String(128))
    devices: Mapped[list[str]] = mapped_column(JSON)
    gpus: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    version: Mapped[str] = mapped_column(String(64))
    heartbeat_seconds: Mapped[float] = mapped_column(Double)
    started_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())
    seen_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())
