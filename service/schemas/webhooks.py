"""Webhooks: in requests, and their state in answers."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from service.schemas.base import Document, Instant, PlainText, Request

_FOUR = "[A-Za-z0-9+/]{4}"
_TWO = "[A-Za-z0-9+/]{2}=="
# The base64 of 24 to 64 bytes.
_SECRET = rf"^whsec_(({_FOUR}){{8,20}}({_FOUR}|{_TWO}|[A-Za-z0-9+/]{{3}}=)?|({_FOUR}){{21}}{_TWO})$"


def _refuse_another_shape(secret: str) -> str:
    # A custom message, because pydantic's would repeat the secret.
    if not re.fullmatch(_SECRET, secret):
        raise PydanticCustomError("webhook_secret", "a secret is `whsec_` and the base64 of 24 to 64 random bytes")
    return secret


class WebhookRequest(Request):
    """The receiver of a signed POST at the end of the job (Standard Webhooks)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"url": "https://hooks.example.org/ldnas", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}]
        }
    )

    url: PlainText = Field(
        description="`https://…` on a host of `LDNAS_REMOTE_HOSTS`, and never on a private address; answers show only "
        "its host"
    )
    secret: Annotated[str, AfterValidator(_refuse_another_shape)] = Field(
        description="key that signs the messages: `whsec_` and the base64 of 24 to 64 random bytes. Never shown; "
        "deleted after the last message",
        repr=False,
        json_schema_extra={"pattern": _SECRET},
    )


class Webhook(Document):
    """The state of the webhook; for a job that was retried, of its last end."""

    host: str = Field(description="host of the URL; the rest is not shown")
    state: Literal["waiting", "pending", "delivered", "given_up"] = Field(
        description="`waiting` until the job ends, `pending` until the receiver accepts the message, `given_up` after "
        "twelve attempts in 2.3 days, or if the receiver answered 410"
    )
    message_id: str | None = Field(None, description="the `webhook-id` of every attempt")
    attempts: int = 0
    last_status: int | None = Field(None, description="status of the receiver's last answer")
    last_error: str | None = Field(None, description="why the last attempt failed")
    next_attempt_at: Instant | None = None
    ended_at: Instant | None = None
