"""What a webhook's receiver is sent; `worker.registry.webhooks` writes it."""

from typing import Literal

from pydantic import Field

from service.schemas.answer import Verdict
from service.schemas.base import Instant, Response

Ended = Literal["succeeded", "failed", "cancelled"]


class EndedRecommendation(Response):
    """Which recommendation ended and how; its document has the rest."""

    id: str
    job_id: str
    name: str | None
    state: Ended
    verdict: Verdict | None
    architecture_id: str | None = Field(description="null where no network was found")
    error_code: str | None = Field(description="the `code` of the problem document where it failed")
    path: str = Field(description="where its document lies on the service")


class WebhookMessage(Response):
    """The end of a recommendation."""

    type: Literal["recommendation.succeeded", "recommendation.failed", "recommendation.cancelled"]
    timestamp: Instant = Field(description="when it ended")
    data: EndedRecommendation
