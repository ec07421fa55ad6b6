"""A runner with a stopwatch: notes the waits of one job, and otherwise is `worker.queue.runner`.

    python job_probe.py JOB ATTEMPT

`timeline/JOB.json` in the home gets the creation of the process, the start of `main`, and intervals of what the thread
of the job waits for: inside transactions (`database`), in reading and resizing images (`decode`), in the artifact
store's files (`files`). An interval within another one counts for the inner one. The rest of a stage is `compute`.
"""

import functools
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy.orm import Session

from worker.jobs.context import JobContext
from worker.jobs.stages import resolve
from worker.queue import runner
from worker.storage.folder_store import FolderStore

FOLDER = "timeline"


class Stopwatch:
    """The activity of the job's thread, as a stack of labels; `intervals` has a row for each stretch with one label."""

    def __init__(self) -> None:
        self.intervals: list[tuple[str, str, float, float]] = []
        self._stage = "start"
        self._stack = ["compute"]
        self._since = time.time()
        self._thread = threading.get_ident()

    def stage(self, name: str) -> None:
        """Attribute the time from now on to this stage."""
        if self._is_mine():
            self._cut()
            self._stage = name

    def push(self, label: str) -> None:
        """Label the time from now on, until the matching `pop`."""
        if self._is_mine():
            self._cut()
            self._stack.append(label)

    def pop(self) -> None:
        """Return to the label before the matching `push`."""
        if self._is_mine():
            self._cut()
            self._stack.pop()

    def _is_mine(self) -> bool:
        return threading.get_ident() == self._thread

    def _cut(self) -> None:
        now = time.time()
        self.intervals.append((self._stage, self._stack[-1], self._since, now))
        self._since = now


def main() -> None:
    """Run the job, and write its timeline before the process ends."""
    began, watch, run = time.time(), Stopwatch(), runner.run
    restore = _attach(watch)

    def run_and_write(*arguments: Any) -> Any:
        try:
            return run(*arguments)
        finally:
            watch.stage("end")
            restore()
            _write({"created": psutil.Process().create_time(), "main": began, "intervals": watch.intervals})

    runner.run = run_and_write
    runner.main()


def _write(timeline: dict[str, Any]) -> None:
    file = Path(os.environ["LDNAS_HOME"]) / FOLDER / f"{sys.argv[1]}.json"
    file.parent.mkdir(exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(timeline), encoding="utf-8")
    part.rename(file)


def _attach(watch: Stopwatch) -> Callable[[], None]:
    """Make the stopwatch see the stages and the waits; return the function that undoes it."""
    undo: list[tuple[Any, str, Any]] = []

    def replace(owner: Any, name: str, value: Any) -> None:
        undo.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)

    def label(owner: Any, name: str, what: str) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def timed(*arguments: Any, **options: Any) -> Any:
            watch.push(what)
            try:
                return original(*arguments, **options)
            finally:
                watch.pop()

        replace(owner, name, timed)

    for name in ("load_dataset", "task_data", "test_images"):
        label(resolve, name, "decode")
    for name in ("put", "read", "put_checkpoint", "read_checkpoint", "drop_checkpoint", "drop_checkpoints"):
        label(FolderStore, name, "files")
    enter, leave, event = Session.__enter__, Session.__exit__, JobContext.event

    def begin_transaction(session: Session) -> Session:
        watch.push("database")
        return enter(session)

    def end_transaction(session: Session, *error: Any) -> None:
        try:
            leave(session, *error)
        finally:
            watch.pop()

    def note_stage(context: JobContext, kind: str, data: dict[str, Any]) -> None:
        if kind == "stage":
            watch.stage(data["stage"])
        event(context, kind, data)

    replace(Session, "__enter__", begin_transaction)
    replace(Session, "__exit__", end_transaction)
    replace(JobContext, "event", note_stage)
    return lambda: [setattr(*each) for each in reversed(undo)] and None


if __name__ == "__main__":
    main()
