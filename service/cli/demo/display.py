"""Displays the running demo: a live view on a terminal, plain lines elsewhere."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from service.cli.demo.history import JobHistory
from service.client.display.answer import BAR_WIDTH, bar, distance_table, verdict_sentence
from service.client.display.formats import genotype_in_short, spread
from service.figures.job_events import CycleEvent, SearchEvent

TARGET_STAGES = ("resolve", "fit", "distance", "search", "train", "export")
# Enough for a smooth view; each redraw takes time from the computation.
REFRESH_PER_SECOND = 4


class Display(AbstractContextManager["Display"], Protocol):
    """Shows the progress of the demo."""

    def say(self, text: str) -> None:
        """Shows a separate line."""
        ...

    def begin(self, title: str, histories: Sequence[JobHistory]) -> None:
        """Opens a section whose jobs are shown until the next section."""
        ...

    def report(self, history: JobHistory, line: str | None) -> None:
        """Shows a change of a job; `line` describes it, or is None for minor changes."""
        ...


def open_display(console: Console) -> Display:
    """The display for this console: live on a terminal, else line by line."""
    return LiveDisplay(console) if console.is_terminal else LineDisplay(console)


class LineDisplay:
    """Prints one line for each change, with the seconds since the start."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        return None

    def say(self, text: str) -> None:
        """Shows a separate line."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def begin(self, title: str, histories: Sequence[JobHistory]) -> None:
        """Opens a section."""
        self.say(f"\n{title}")
        for history in histories:
            self.say(f"  {history.label}: {history.about}")

    def report(self, history: JobHistory, line: str | None) -> None:
        """Prints the line, if any."""
        if line is not None:
            self.say(f"{time.monotonic() - self._started:6.1f} s  {history.label}: {line}")


class LiveDisplay:
    """A view that is redrawn several times per second; finished sections remain above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._title = ""
        self._histories: Sequence[JobHistory] = ()
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(
            console=console,
            get_renderable=self._view,
            refresh_per_second=REFRESH_PER_SECOND,
            transient=True,
            vertical_overflow="crop",
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.stop()
        self._leave_section()

    def say(self, text: str) -> None:
        """Shows a separate line above the live view."""
        self._console.print(text, markup=False, highlight=False)

    def begin(self, title: str, histories: Sequence[JobHistory]) -> None:
        """Prints the final state of the last section, and shows the next one."""
        self._leave_section()
        self._title, self._histories = title, histories

    def report(self, history: JobHistory, line: str | None) -> None:
        """Does nothing: the next redraw shows the change."""

    def _leave_section(self) -> None:
        if self._histories:
            histories, self._histories = self._histories, ()
            self._console.print(section(self._title, histories, self._spinner))

    def _view(self) -> RenderableType:
        if self._histories:
            return section(self._title, self._histories, self._spinner)
        return Columns([self._spinner, Text("starting the service", style="dim")])


def section(title: str, histories: Sequence[JobHistory], spinner: Spinner) -> RenderableType:
    """A title, a row for each job, and for a target its stages, distances and search."""
    rows = Table.grid(padding=(0, 2, 0, 0))
    rows.add_column(width=2)
    rows.add_column(no_wrap=True)
    rows.add_column(no_wrap=True)
    rows.add_column()  # only this column shrinks on a narrow terminal
    for history in histories:
        rows.add_row(*history_row(history, spinner))
    details = [
        Padding(detail, (0, 0, 0, 4))
        for history in histories
        if not history.ended
        for detail in history_details(history)
    ]
    return Group(Text(""), Text.from_markup(f"[bold]{escape(title)}[/bold]"), rows, *details)


def history_row(history: JobHistory, spinner: Spinner) -> tuple[RenderableType, ...]:
    """Mark, name, progress bar or time, and the job's activity or outcome."""
    seconds = Text(f"{history.seconds or 0.0:.1f} s", style="dim")
    match history.state:
        case "succeeded":
            return Text(" ✓", style="green"), Text(history.label), seconds, _cut(Text(outcome(history), style="dim"))
        case "failed" | "cancelled":
            return Text(" ✗", style="red"), Text(history.label), seconds, Text(history.state, style="red")
        case "running":
            doing = Text(f"{history.stage or 'starts'}  ", style="cyan").append(
                history.message or history.about, style="dim"
            )
            return spinner, Text(history.label), ProgressBar(1.0, history.fraction, width=14), _cut(doing)
        case _:
            return (
                Text(" ·", style="dim"),
                Text(history.label, style="dim"),
                Text(""),
                _cut(Text(history.about, style="dim")),
            )


def _cut(text: Text) -> Text:
    """Truncates the text to one line."""
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def outcome(history: JobHistory) -> str:
    """The outcome of a finished job in a few words."""
    if not history.accuracies:
        return history.about
    return "balanced validation accuracy " + " ".join(f"{accuracy:.3f}" for accuracy in history.accuracies)


def history_details(history: JobHistory) -> list[RenderableType]:
    """The details below the row of a running target."""
    if history.state != "running" or not history.is_target:
        return []
    details: list[RenderableType] = [stage_track(history)]
    if history.ranking:
        details += ["", Text(verdict_sentence(history.ranking)), distance_table(history.ranking["distances"] or [])]
    elif history.distances:
        details += ["", distances_so_far(history)]
    if history.search and history.stage == "search":
        details += ["", search_view(history.search)]
    if history.cycles and history.stage == "search":
        details += ["", race_view([*history.cycles.values()])]
    return details


def stage_track(history: JobHistory) -> Text:
    """The stages in a row, marked as finished, current or pending, and the remaining time."""
    track = Text()
    at = TARGET_STAGES.index(history.stage) if history.stage in TARGET_STAGES else -1
    for place, stage in enumerate(TARGET_STAGES):
        mark, style = ("✓", "green") if place < at else ("▸", "bold cyan") if place == at else ("·", "dim")
        track.append(f"{mark} {stage}  ", style=style)
    if history.eta_seconds is not None:
        track.append(f"about {history.eta_seconds:.0f} s left", style="dim")
    return track


def distances_so_far(history: JobHistory) -> Table:
    """The distances measured so far, nearest first."""
    table = Table.grid(padding=(0, 2, 0, 0))
    nearest_first = sorted(history.distances.values(), key=lambda each: each.mean)
    for each in nearest_first:
        table.add_row(Text(each.name), Text(spread(each.mean, each.std)), bar(each.mean, nearest_first[-1].mean))
    return table


def race_view(cycles: Sequence[CycleEvent]) -> Table:
    """The networks of a race with their scores after their last cycle, best first."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for cycle in sorted(cycles, key=lambda each: -each.score):
        score = Text(f"{cycle.score:.3f} ± {cycle.standard_error:.3f}")
        table.add_row(score, bar(cycle.score, 1.0), Text(cycle.candidate), Text(f"round {cycle.rung + 1}", style="dim"))
    return table


def search_view(search: SearchEvent) -> RenderableType:
    """The candidates of the iteration, each with its weight (or score) and its cell in short."""
    table = Table.grid(padding=(0, 2, 0, 0))
    values = search.alphas or search.validation_accuracies
    for place, genotype in enumerate(search.genotypes):
        cell = Text(genotype_in_short(genotype) + ("  (incumbent)" if genotype == search.incumbent else ""))
        if place < len(values):
            style = "bold" if values[place] == max(values) else "dim"
            table.add_row(Text(f"{values[place]:.2f}"), bar(values[place], 1.0), cell, style=style)
        else:
            table.add_row(Text("    "), Text("·" * BAR_WIDTH, style="dim"), cell, style="dim")
    return Group(Text(f"{search.place}: weights of the candidates in FUSE" if search.alphas else search.place), table)
