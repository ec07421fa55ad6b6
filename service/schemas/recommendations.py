"""The body of `POST /v1/recommendations/{id}/promote`."""

from pydantic import Field

from worker.specification import Name, Request


class PromotionRequest(Request):
    """The target's name as a baseline."""

    name: Name | None = Field(None, description="absent: the name of the recommendation")
