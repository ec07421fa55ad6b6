"""Sends the ends of jobs to their receivers: signed, and repeated until accepted or until the attempts run out.

Messages, headers and signatures are those of Standard Webhooks (https://www.standardwebhooks.com). The messages are
stored in SQL; a sender may be killed at any moment, and then another one sends the message again. So a receiver may get
a message twice, and recognises it by its `webhook-id`.
"""

import base64
import hashlib
import hmac
import logging
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus

from worker.errors import DatabaseUnavailableError, ForbiddenDestinationError, OutboundFailedError
from worker.outbound.guard import OutboundGuard
from worker.registry import ClaimedDelivery, Engine, reading, unit_of_work

log = logging.getLogger(__name__)

SECRET_PREFIX = "whsec_"

SENDERS = 4
"""The number of sending threads of one dispatcher; if more receivers are slow, the others have to wait."""

POLL_SECONDS = 1.0
SEND_SECONDS = 15.0
"""How long a receiver may take to answer, counted from the connection."""

LEASE_SECONDS = 120.0
"""When a killed sender's message is sent again: far more than resolving a name and sending take together."""

LEAVING_SECONDS = 2.0
MAX_ATTEMPTS = 12
FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 12 * 3600.0
JITTER = 0.25


def pause_after(attempt: int, chance: float) -> float:
    """Seconds to the next attempt: 5, 20, 80, … up to 12 hours, a quarter more or less; all twelve take 2.3 days.

    Args:
        attempt: the number of attempts so far, from 1.
        chance: in [0, 1], so that messages that failed in the same outage are not all sent again at the same moment.
    """
    pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 4.0 ** (attempt - 1))
    return pause * (1 - JITTER + 2 * JITTER * chance)


def signature(secret: str, message_id: str, timestamp: int, body: str) -> str:
    """`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`, as `webhook-signature` has it."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{message_id}.{timestamp}.{body}".encode()
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode("ascii")


@dataclass(frozen=True)
class Outcome:
    """The outcome of an attempt: the receiver's status, or the reason why it did not answer."""

    status: int | None
    error: str | None

    @property
    def delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_final(self) -> bool:
        """Whether the receiver refuses all further messages."""
        return self.status == HTTPStatus.GONE


def send(delivery: ClaimedDelivery, guard: OutboundGuard) -> Outcome:
    """Make one attempt. Redirects are not followed, and only the status of the response is read."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "ldnas",
        "webhook-id": delivery.id,
        "webhook-timestamp": str(delivery.timestamp),
        "webhook-signature": signature(delivery.secret, delivery.id, delivery.timestamp, delivery.body),
    }
    content = delivery.body.encode()
    try:
        with guard.stream(
            "POST", delivery.url, headers=headers, content=content, max_redirects=0, seconds=SEND_SECONDS
        ) as response:
            status = response.status_code
    except ForbiddenDestinationError:  # its message may contain an address that only the service's host knows
        return Outcome(None, "the host is not one of LDNAS_REMOTE_HOSTS any more, or has an address that is not public")
    except OutboundFailedError as error:
        return Outcome(None, str(error))
    outcome = Outcome(status, None)
    return outcome if outcome.delivered else Outcome(status, f"the receiver answered {status}")


def send_one(engine: Engine, guard: OutboundGuard, *, lease_seconds: float = LEASE_SECONDS) -> bool:
    """Send the message that has been due longest; False if none is due.

    Raises:
        DatabaseUnavailableError: the database refused, timed out or broke off; a sent message may be sent again.
    """
    with reading(engine) as registry:  # on SQLite a check must not take the write lock
        if not registry.webhooks.is_due():
            return False
    with unit_of_work(engine) as registry:
        delivery = registry.webhooks.claim(lease_seconds)
    if delivery is None:
        return False
    try:
        outcome = send(delivery, guard)
    except Exception:  # a bug must not end the thread, which sends all messages: log it, and leave the message due
        log.exception("webhook of job %s: an internal error", delivery.job_id)
        outcome = Outcome(None, "the sender had an internal error")
    _record(engine, delivery, outcome)
    return True


def _record(engine: Engine, delivery: ClaimedDelivery, outcome: Outcome) -> None:
    attempt = f"webhook of job {delivery.job_id} to {delivery.host}: attempt {delivery.attempt}"
    error = outcome.error or ""
    with unit_of_work(engine) as registry:
        if outcome.delivered and outcome.status is not None:
            registry.webhooks.delivered(delivery, outcome.status)
            log.info("%s: delivered", attempt)
        elif outcome.is_final or delivery.attempt >= MAX_ATTEMPTS:
            registry.webhooks.give_up(delivery, status=outcome.status, error=error)
            log.warning("%s: %s; given up", attempt, error)
        else:
            seconds = pause_after(delivery.attempt, random.random())
            registry.webhooks.put_off(delivery, status=outcome.status, error=error, seconds=seconds)
            log.warning("%s: %s; the next in %.0f s", attempt, error, seconds)


def send_until(stop: threading.Event, engine: Engine, guard: OutboundGuard) -> None:
    """Send due messages until `stop` is set; while the database is down, wait and try again."""
    while not stop.is_set():
        try:
            if send_one(engine, guard):
                continue
        except DatabaseUnavailableError as error:
            log.warning("the database is unavailable, webhooks wait: %s", error)
        stop.wait(POLL_SECONDS)


@contextmanager
def senders(stop: threading.Event, engine: Engine, guard: OutboundGuard) -> Iterator[None]:
    """Run threads that send until `stop` is set, so that slow receivers do not delay the caller.

    At the end, wait for them briefly; a message still being sent then is sent again by another sender.
    """
    threads = [
        threading.Thread(target=send_until, args=(stop, engine, guard), name=f"webhooks-{number}", daemon=True)
        for number in range(SENDERS)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        leave_at = time.monotonic() + LEAVING_SECONDS
        for thread in threads:
            thread.join(max(0.0, leave_at - time.monotonic()))
