"""The messages that the service sends: the section `webhooks` of the OpenAPI document. It serves no requests."""

from typing import Annotated

from fastapi import APIRouter, Header

from service.schemas.webhook_messages import WebhookMessage

router = APIRouter(tags=["webhooks"])

MessageId = Annotated[
    str, Header(alias="webhook-id", description="the same for every attempt, to recognise repeated messages")
]
Timestamp = Annotated[
    int, Header(alias="webhook-timestamp", description="time of this attempt, seconds since the epoch")
]
Signature = Annotated[
    str,
    Header(
        alias="webhook-signature",
        description="`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; the key is the base64-decoded part "
        "of the secret after `whsec_`",
    ),
]


def _recommendation_ended(message: WebhookMessage, id: MessageId, timestamp: Timestamp, signature: Signature) -> None:
    """Sent to the `webhook` of a recommendation when it ends, in the format of Standard Webhooks.

    Delivery is at least once: a message may arrive twice, with the same id. Redirects are not followed. The receiver
    has 15 s to answer, and only the status is read. The service makes up to twelve attempts in 2.3 days.
    """


for _end in ("succeeded", "failed", "cancelled"):
    router.add_api_route(
        f"recommendation.{_end}",
        _recommendation_ended,
        methods=["POST"],
        operation_id=f"recommendation_{_end}",
        status_code=204,
        summary=f"A recommendation {'was cancelled' if _end == 'cancelled' else _end}",
        responses={
            "2XX": {"description": "The receiver accepted the message"},
            "4XX": {"description": "The message is sent again later, except after 410"},
            "5XX": {"description": "The message is sent again later"},
        },
    )
