"""Several jobs followed at once: their events as they come, their status by polling."""

import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from service.client.errors import ClientError
from service.client.events import Event
from service.client.submission import Submission
from service.demo.story import JobStory

# The events tell what happens; the polls only how far it is.
POLL_SECONDS = 1.0
# The last events may come a moment after the poll that saw the end.
LAST_EVENTS_SECONDS = 2.0

Tell = Callable[[JobStory, str | None], None]


def follow_all(jobs: Mapping[JobStory, Submission[Any]], tell: Tell) -> None:
    """Return when every job has ended; until then each event and each poll goes to its story, and is told.

    Raises:
        UnreachableError: the service is gone.
    """
    arrived: queue.Queue[tuple[JobStory, Event]] = queue.Queue()
    readers = [
        threading.Thread(target=_read_events, args=(story, submission, arrived), daemon=True)
        for story, submission in jobs.items()
    ]
    for reader in readers:
        reader.start()
    while not all(story.ended for story in jobs):
        _drain(arrived, time.monotonic() + POLL_SECONDS, tell)
        for story, submission in jobs.items():
            if not story.ended:
                tell(story, story.update(submission.status()))
    deadline = time.monotonic() + LAST_EVENTS_SECONDS
    for reader in readers:
        reader.join(max(0.0, deadline - time.monotonic()))
    _drain(arrived, 0.0, tell)


def _read_events(story: JobStory, submission: Submission[Any], arrived: "queue.Queue[tuple[JobStory, Event]]") -> None:
    try:
        for event in submission.events():
            arrived.put((story, event))
    except ClientError:
        # The polls tell whether the service is really gone; without events the display is only less lively.
        return


def _drain(arrived: "queue.Queue[tuple[JobStory, Event]]", deadline: float, tell: Tell) -> None:
    while True:
        try:
            story, event = arrived.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return
        tell(story, story.apply(event))
        if story.ended:
            # What waits for this end goes on at once; what is left in the queue is drained afterwards.
            deadline = 0.0
