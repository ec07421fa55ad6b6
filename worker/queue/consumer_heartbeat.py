"""The part of a Celery consumer that renews the heartbeat's file while its connection to the broker holds."""

from pathlib import Path
from typing import Any

from celery.bootsteps import StartStopStep

from worker.process.heartbeat import BEAT_SECONDS, beat


class ConsumerHeartbeat(StartStopStep):  # type: ignore[misc]  # Celery has no types
    """Started with each connection to the broker and stopped when it is lost; the message loop renews the file.

    Its option `heartbeat_file` is the worker's: `app.Worker(heartbeat_file=…)`.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, heartbeat_file: Path | None = None, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._file = heartbeat_file
        self._entry: Any = None

    def start(self, consumer: Any) -> None:
        """The connection to the broker is up."""
        beat(self._file)
        self._entry = consumer.timer.call_repeatedly(BEAT_SECONDS, beat, (self._file,))

    def stop(self, consumer: Any) -> None:
        """The connection is lost, or the worker ends."""
        if self._entry is not None:
            consumer.timer.cancel(self._entry)
            self._entry = None
