"""The messages sent to webhooks; `worker.registry.webhooks` writes them."""

from typing import Literal

from pydantic import Field

from service.schemas.answer import Verdict
from service.schemas.base import Document, Instant

Ended = Literal["succeeded", "failed", "cancelled"]


class EndedRecommendation(Document):
    """A recommendation that ended, and its final state; its document has the details."""

    id: str
    job_id: str
    name: str | None
    state: Ended
    verdict: Verdict | None
    architecture_id: str | None = Field(description="null if no network was found")
    error_code: str | None = Field(description="the `code` of the problem document, if it failed")
    path: str = Field(description="path of its document on the service")


class WebhookMessage(Document):
    """The end of a recommendation."""

    type: Literal["recommendation.succeeded", "recommendation.failed", "recommendation.cancelled"]
    timestamp: Instant = Field(description="time of the end")
    data: EndedRecommendation
