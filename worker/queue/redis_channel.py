"""kombu's Redis transport, made safe for a broker that is lost just before a message is acknowledged.

The original still counts such a message as in progress (Celery only logs "Couldn't ack"). A worker that takes one
message at a time then never asks for another, so it neither gets work nor notices that its connection is lost. Here the
message is dropped in any case: the worker asks for the next one, notices the lost connection, and connects again. If
the broker still has the message, it delivers it once more, which is harmless because its job has ended.

A frozen broker accepts connections but does not answer, so each request to it costs the socket's timeout. A worker that
shuts down must send few requests, or it would be killed before it has finished. So after one unanswered acknowledgement
the ones of the next few seconds are not sent, and a pending request for messages is abandoned.
"""

import select
import time
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis, virtual
from redis.exceptions import TimeoutError as RedisTimeoutError

FROZEN_SECONDS = 5.0
"""After an unanswered acknowledgement, no other one is sent for this long."""

MARGIN_SECONDS = 0.5
"""How much later than the requested timeout a broker may answer that it has no message."""


class ForgetfulQoS(redis.QoS):
    """The messages that the broker has delivered and the worker has not acknowledged."""

    _frozen_until = 0.0

    @property
    def is_frozen(self) -> bool:
        """Whether an acknowledgement of the last seconds was not answered."""
        return time.monotonic() < self._frozen_until

    def ack(self, delivery_tag: Any) -> None:
        try:
            if self.is_frozen:
                raise RedisTimeoutError("the broker did not answer the acknowledgement before this one")
            self._ask(delivery_tag)
        except BaseException:  # any error reaches the caller
            virtual.QoS.ack(self, delivery_tag)  # type: ignore[no-untyped-call]
            raise

    def _ask(self, delivery_tag: Any) -> None:
        try:
            super().ack(delivery_tag)  # type: ignore[no-untyped-call]
        except RedisTimeoutError:
            self._frozen_until = time.monotonic() + FROZEN_SECONDS
            raise


class RedisChannel(redis.Channel):
    """kombu's channel with these changes."""

    QoS = ForgetfulQoS

    def close(self) -> None:
        """Close the channel; the original waits for the socket's timeout while a request for messages is pending."""
        connection: Any = self._in_poll  # kombu's types do not declare a connection here
        if connection and (self.qos.is_frozen or not self._is_answered(connection)):
            connection.disconnect()
            self._in_poll = False
        super().close()  # type: ignore[no-untyped-call]

    def _is_answered(self, connection: Any) -> bool:
        """Whether the answer arrives within the time after which the broker reports that it has no message."""
        try:
            return bool(select.select([connection._sock], [], [], self.brpop_timeout + MARGIN_SECONDS)[0])
        except (OSError, TypeError, ValueError):  # the socket is closed
            return False


class RedisTransport(redis.Transport):
    """The transport for `LDNAS_BROKER_URL=redis://…` and `rediss://…`."""

    Channel = RedisChannel


def use_redis_channel() -> None:
    """Make kombu open these URLs with this transport; kombu decides about TLS by the transport's name."""
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), f"{__name__}:{RedisTransport.__name__}"))
