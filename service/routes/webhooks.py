"""What the service sends: the section `webhooks` of the OpenAPI document. Nothing here answers a request."""

from typing import Annotated

from fastapi import APIRouter, Header

from service.schemas.webhook_messages import WebhookMessage

router = APIRouter(tags=["webhooks"])

MessageId = Annotated[
    str, Header(alias="webhook-id", description="the same for every attempt: what comes twice is told by it")
]
Timestamp = Annotated[int, Header(alias="webhook-timestamp", description="of this attempt, seconds since the epoch")]
Signature = Annotated[
    str,
    Header(
        alias="webhook-signature",
        description="`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; the key is what the secret "
        "says in base64",
    ),
]


def _told(message: WebhookMessage, id: MessageId, timestamp: Timestamp, signature: Signature) -> None:
    """Sent to the `webhook` of a recommendation when it ends, as Standard Webhooks lays down.

    At least once: a message may come twice, under one id. Redirects are not followed, and of the answer the status
    alone is read, for which there are 15 s. Twelve attempts are made in 2.3 days.
    """


for _end in ("succeeded", "failed", "cancelled"):
    router.add_api_route(
        f"recommendation.{_end}",
        _told,
        methods=["POST"],
        operation_id=f"recommendation_{_end}",
        status_code=204,
        summary=f"A recommendation {'was cancelled' if _end == 'cancelled' else _end}",
        responses={
            "2XX": {"description": "The receiver has it"},
            "4XX": {"description": "It is sent again later; after 410 never"},
            "5XX": {"description": "It is sent again later"},
        },
    )
