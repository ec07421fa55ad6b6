"""Follows several jobs at once: their events as they occur, their status by polling."""

import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from service.cli.demo.history import JobHistory
from service.client.errors import ClientError
from service.client.events import Event
from service.client.submission import Submission

# Events report changes; polls only report progress.
POLL_SECONDS = 1.0
# The last events may arrive shortly after the poll that reported the end.
LAST_EVENTS_SECONDS = 2.0

Report = Callable[[JobHistory, str | None], None]


def follow_all(jobs: Mapping[JobHistory, Submission[Any]], report: Report) -> None:
    """Follows the jobs until all have ended; records and reports each event and each poll.

    Raises:
        UnreachableError: the service is unreachable.
    """
    arrived: queue.Queue[tuple[JobHistory, Event]] = queue.Queue()
    readers = [
        threading.Thread(target=_read_events, args=(history, submission, arrived), daemon=True)
        for history, submission in jobs.items()
    ]
    for reader in readers:
        reader.start()
    while not all(history.ended for history in jobs):
        _drain(arrived, time.monotonic() + POLL_SECONDS, report)
        for history, submission in jobs.items():
            if not history.ended:
                report(history, history.update(submission.status()))
    deadline = time.monotonic() + LAST_EVENTS_SECONDS
    for reader in readers:
        reader.join(max(0.0, deadline - time.monotonic()))
    _drain(arrived, 0.0, report)


def _read_events(
    history: JobHistory, submission: Submission[Any], arrived: "queue.Queue[tuple[JobHistory, Event]]"
) -> None:
    try:
        for event in submission.events():
            arrived.put((history, event))
    except ClientError:
        # The polls notice if the service is unreachable; without events the display only shows less.
        return


def _drain(arrived: "queue.Queue[tuple[JobHistory, Event]]", deadline: float, report: Report) -> None:
    while True:
        try:
            history, event = arrived.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return
        report(history, history.apply(event))
        if history.ended:
            # The caller continues at once after the end of a job; remaining events are drained later.
            deadline = 0.0
