"""Shows progress: a bar in a notebook or on a terminal, else a line on standard error for each change of a job."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from service.client.display.notebook import NotebookBar, notebook_shell
from service.client.events import ENDED

Show = Callable[[Mapping[str, Any]], None]
Count = Callable[[int, int | None], None]
"""Called with the amount done so far, and the total, or None if not known."""

_BAR_WIDTH = 20


@contextmanager
def progress_shown(label: str, console: Console | None = None) -> Iterator[Show]:
    """While open, yields a function that takes a polled document of a job and shows its changes."""
    if console is None and notebook_shell() is not None:
        yield _notebook_writer(label)
        return
    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield _line_writer(label, console)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=_BAR_WIDTH),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        _MessageColumn(table_column=Column()),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        row = bar.add_task(label, total=1.0, message="")
        yield lambda status: bar.update(
            row,
            description=f"{label}: {status.get('stage') or status['state']}",
            completed=progress_fraction(status),
            message=progress_message(status),
        )


def bytes_shown(label: str, console: Console | None = None) -> AbstractContextManager[Count]:
    """While open, yields a function that takes the bytes transferred so far and shows them on a terminal."""
    return _counted(label, DownloadColumn(), console)


def count_shown(label: str, console: Console | None = None) -> AbstractContextManager[Count]:
    """While open, yields a function that takes the number of items done so far and shows it on a terminal."""
    return _counted(label, MofNCompleteColumn(), console)


@contextmanager
def _counted(label: str, figures: ProgressColumn, console: Console | None) -> Iterator[Count]:
    if console is None and notebook_shell() is not None:
        in_notebook = NotebookBar(label)
        yield lambda done, total: in_notebook.show(done / total if total else None, "", at_once=done == total)
        return
    console = console or Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=_BAR_WIDTH),
        figures,
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        row = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(row, completed=done, total=total)


def _notebook_writer(label: str) -> Show:
    bar = NotebookBar(label)

    def show(status: Mapping[str, Any]) -> None:
        words = (status.get("stage") if status["state"] == "running" else status["state"], progress_message(status))
        ended = status["state"] in ENDED
        bar.show(progress_fraction(status), ", ".join(word for word in words if word), at_once=ended)

    return show


class _MessageColumn(ProgressColumn):
    """The message of a job, truncated at the edge of the terminal; only this column shrinks."""

    def render(self, task: Task) -> Text:
        return Text(str(task.fields["message"]), no_wrap=True, overflow="ellipsis")


def _line_writer(label: str, console: Console) -> Show:
    last: tuple[str, str] | None = None

    def show(status: Mapping[str, Any]) -> None:
        nonlocal last
        stage = status["state"] if status["state"] != "running" else status.get("stage") or "running"
        now = (stage, progress_message(status))
        if now != last:
            last = now
            console.print(f"{label}: " + ", ".join(part for part in now if part), markup=False, highlight=False)

    return show


def progress_fraction(status: Mapping[str, Any]) -> float:
    """The fraction of a job that is done, in [0, 1]."""
    if status["state"] == "succeeded":
        return 1.0
    return float((status.get("progress") or {}).get("fraction") or 0.0)


def progress_message(status: Mapping[str, Any]) -> str:
    """The progress message of a job; empty if it has none."""
    return str((status.get("progress") or {}).get("message") or "")
