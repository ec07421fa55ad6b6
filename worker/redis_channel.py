"""kombu's Redis transport, made safe for a broker that goes away just before a message is acknowledged.

The original keeps such a message as one that is still worked on (Celery only logs "Couldn't ack"). A worker that takes
one message at a time then never asks for another, so that it neither gets work nor notices that its connection is gone.
Here the message is done with in any case: the worker asks for the next one, finds the connection gone, and connects
again. Should the broker still have the message, it delivers it once more, and its job has ended.
"""

from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis, virtual


class ForgetfulQoS(redis.QoS):
    """What the broker has delivered and the worker has not acknowledged."""

    def ack(self, delivery_tag: Any) -> None:
        try:
            super().ack(delivery_tag)  # type: ignore[no-untyped-call]
        except BaseException:  # whatever it was, it goes on to the caller
            virtual.QoS.ack(self, delivery_tag)  # type: ignore[no-untyped-call]
            raise


class RedisChannel(redis.Channel):
    """kombu's own with that change."""

    QoS = ForgetfulQoS


class RedisTransport(redis.Transport):
    """The transport for `LDNAS_BROKER_URL=redis://…` and `rediss://…`."""

    Channel = RedisChannel


def use_redis_channel() -> None:
    """Have kombu open these URLs with this transport; by its name, since it looks at that to decide about TLS."""
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), f"{__name__}:{RedisTransport.__name__}"))
