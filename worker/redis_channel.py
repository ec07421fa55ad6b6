"""kombu's Redis transport, made safe for a broker that goes away just before a message is acknowledged.

The original keeps such a message as one that is still worked on (Celery only logs "Couldn't ack"). A worker that takes
one message at a time then never asks for another, so that it neither gets work nor notices that its connection is gone.
Here the message is done with in any case: the worker asks for the next one, finds the connection gone, and connects
again. Should the broker still have the message, it delivers it once more, and its job has ended.

A broker that is frozen takes connections and answers nothing, so each question to it costs the socket's timeout. A
worker that ends asks few of them, or it would be killed before it has ended: one acknowledgement that is not answered
stands for all that follow within a few seconds, and the answer to a pending request for messages is not waited for.
"""

import select
import time
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis, virtual
from redis.exceptions import TimeoutError as RedisTimeoutError

FROZEN_SECONDS = 5.0
"""How long a broker that did not answer an acknowledgement is asked for no other one."""

MARGIN_SECONDS = 0.5
"""How much later than it promised a broker may answer that there is no message."""


class ForgetfulQoS(redis.QoS):
    """What the broker has delivered and the worker has not acknowledged."""

    _frozen_until = 0.0

    @property
    def is_frozen(self) -> bool:
        """Whether an acknowledgement was not answered within the last seconds."""
        return time.monotonic() < self._frozen_until

    def ack(self, delivery_tag: Any) -> None:
        try:
            if self.is_frozen:
                raise RedisTimeoutError("the broker did not answer the acknowledgement before this one")
            self._ask(delivery_tag)
        except BaseException:  # whatever it was, it goes on to the caller
            virtual.QoS.ack(self, delivery_tag)  # type: ignore[no-untyped-call]
            raise

    def _ask(self, delivery_tag: Any) -> None:
        try:
            super().ack(delivery_tag)  # type: ignore[no-untyped-call]
        except RedisTimeoutError:
            self._frozen_until = time.monotonic() + FROZEN_SECONDS
            raise


class RedisChannel(redis.Channel):
    """kombu's own with these changes."""

    QoS = ForgetfulQoS

    def close(self) -> None:
        """Close the channel; the original waits for the socket's timeout where a request for messages is pending."""
        connection: Any = self._in_poll  # kombu's types know no connection here
        if connection and (self.qos.is_frozen or not self._is_answered(connection)):
            connection.disconnect()
            self._in_poll = False
        super().close()  # type: ignore[no-untyped-call]

    def _is_answered(self, connection: Any) -> bool:
        """Whether the answer comes within the time after which the broker says that there is no message."""
        try:
            return bool(select.select([connection._sock], [], [], self.brpop_timeout + MARGIN_SECONDS)[0])
        except (OSError, TypeError, ValueError):  # the socket is closed
            return False


class RedisTransport(redis.Transport):
    """The transport for `LDNAS_BROKER_URL=redis://…` and `rediss://…`."""

    Channel = RedisChannel


def use_redis_channel() -> None:
    """Have kombu open these URLs with this transport; by its name, since it looks at that to decide about TLS."""
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), f"{__name__}:{RedisTransport.__name__}"))
