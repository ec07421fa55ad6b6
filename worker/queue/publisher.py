"""Publishes the messages of queued jobs to the broker, without waiting for their delivery."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from kombu.exceptions import OperationalError

from worker.errors import BrokerUnavailableError
from worker.queue.app import QUEUE, make_celery
from worker.queue.messages import RUN_JOB, JobMessage
from worker.settings import Settings

# kombu itself would retry a refusing broker for 6 s; the dispatcher tries again anyway.
_IMPATIENT = {"max_retries": 1, "interval_start": 0, "interval_step": 0}


class Publisher:
    """One connection to the broker, opened at the first message and again after a failure."""

    def __init__(self, settings: Settings) -> None:
        self._app = make_celery(settings)
        self._connection: Any = None  # kombu's Connection, which is not typed

    def publish(self, message: JobMessage) -> None:
        """Publish the message.

        Raises:
            BrokerUnavailableError: the broker refused, timed out or broke off.
        """
        with self._connected() as connection:
            producer = self._app.amqp.Producer(connection, auto_declare=False)
            self._app.send_task(RUN_JOB, kwargs=message.to_kwargs(), queue=QUEUE, producer=producer)

    def waiting(self) -> int:
        """The number of messages that no worker has taken yet.

        Raises:
            BrokerUnavailableError: the broker refused, timed out or broke off.
        """
        with self._connected() as connection:
            return int(connection.default_channel.queue_declare(queue=QUEUE).message_count)

    def ping(self) -> None:
        """Ask the broker for an answer.

        Raises:
            BrokerUnavailableError: the broker refused, timed out or broke off.
        """
        self.waiting()

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        connection = self._connection or self._app.connection_for_write(transport_options=_IMPATIENT)
        self._connection = connection
        try:
            yield connection
        except (OperationalError, *connection.connection_errors, *connection.channel_errors) as error:
            self.close()
            raise BrokerUnavailableError(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Drop the connection without waiting for an answer."""
        if self._connection is not None:
            self._connection.collect(socket_timeout=1)
            self._connection = None

    def __enter__(self) -> "Publisher":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
