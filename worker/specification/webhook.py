"""The webhook of a request: the receiver of the end of its job."""

import re
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from worker.specification.base import FormText, PlainText, Request

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

    url: Annotated[
        PlainText,
        FormText(
            "Address for the notification",
            "The service sends a signed POST there when the job ends: https:// on a host of LDNAS_REMOTE_HOSTS.",
            "no notification",
        ),
    ] = Field(
        description="`https://…` on a host of `LDNAS_REMOTE_HOSTS`, and never on a private address; answers show only "
        "its host"
    )
    secret: Annotated[
        str,
        AfterValidator(_refuse_another_shape),
        FormText(
            "Secret that signs it",
            "The receiver has the same secret: whsec_ and 24 to 64 random bytes as base64. It is not shown again.",
        ),
    ] = Field(
        description="key that signs the messages: `whsec_` and the base64 of 24 to 64 random bytes. Never shown; "
        "deleted after the last message",
        repr=False,
        json_schema_extra={"pattern": _SECRET},
    )
