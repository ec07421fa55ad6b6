"""Tables of webhooks: the receivers of the ends of jobs, and the deliveries to them."""

from sqlalchemy import Double, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from worker.registry.base import Base, DatabaseNow


class Webhook(Base):
    """The URL that receives the ends of a job, and the secret that signs them. The client sets both; no response has
    them.

    `secret` becomes None when nothing is left to sign.
    """

    __tablename__ = "webhooks"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    url: Mapped[str] = mapped_column(String(1024))
    secret: Mapped[str | None] = mapped_column(String(128))
    created_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())


class WebhookDelivery(Base):
    """One end of a job, sent until the receiver accepts it; inserted in the transaction that ends the job.

    `id` is the `webhook-id` of every attempt, `body` the exact text that is signed and sent. `attempts` is also the
    fence: a process that tries takes the next number, and after `due_at` another process may try.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (Index("ix_webhook_deliveries_due", "state", "due_at"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("webhooks.job_id", ondelete="CASCADE"), index=True)
    body: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    due_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())
    last_status: Mapped[int | None] = mapped_column(Integer)
    last_error: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())
    ended_at: Mapped[float | None] = mapped_column(Double)
