"""Checks a requested webhook, and reports its state in the answer."""

from service.api.errors import ForbiddenWebhookError
from service.schemas.webhooks import Webhook
from worker.errors import ForbiddenDestinationError
from worker.outbound.guard import OutboundGuard
from worker.registry import DeliveryState, WebhookStatus
from worker.settings import Settings
from worker.specification import WebhookRequest


def check_webhook(webhook: WebhookRequest | None, settings: Settings) -> None:
    """Refuses a URL that the service may not contact; nothing is resolved or sent.

    Raises:
        ForbiddenWebhookError: the URL is not https, or its host is not one of `LDNAS_REMOTE_HOSTS`.
    """
    if webhook is None:
        return
    try:
        OutboundGuard(settings.remote_hosts).check(webhook.url)
    except ForbiddenDestinationError as error:
        raise ForbiddenWebhookError(
            f"the webhook's URL is not allowed: {error}; LDNAS_REMOTE_HOSTS of the service lists the allowed hosts",
            field="webhook.url",
        ) from error


def webhook_document(found: WebhookStatus | None) -> Webhook | None:
    """The state of a job's webhook; None if it has none."""
    if found is None:
        return None
    delivery = found.delivery
    if delivery is None:
        return Webhook(host=found.host, state="waiting")
    return Webhook(
        host=found.host,
        state=DeliveryState(delivery.state).value,
        message_id=delivery.id,
        attempts=delivery.attempts,
        last_status=delivery.last_status,
        last_error=delivery.last_error,
        next_attempt_at=delivery.due_at if delivery.state == DeliveryState.PENDING else None,
        ended_at=delivery.ended_at,
    )
