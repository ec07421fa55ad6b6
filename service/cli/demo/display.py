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

from service.cli.demo.story import JobStory, SearchView
from service.client.display.answer import BAR_WIDTH, bar, distance_table, verdict_sentence
from service.client.display.formats import genotype_in_short, spread

TARGET_STAGES = ("resolve", "fit", "distance", "search", "train", "export")
# Enough for a smooth view; each redraw takes time from the computation.
REFRESH_PER_SECOND = 4


class Display(AbstractContextManager["Display"], Protocol):
    """Shows the progress of the demo."""

    def say(self, text: str) -> None:
        """Shows a separate line."""
        ...

    def begin(self, title: str, stories: Sequence[JobStory]) -> None:
        """Opens a section whose jobs are shown until the next section."""
        ...

    def report(self, story: JobStory, line: str | None) -> None:
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

    def begin(self, title: str, stories: Sequence[JobStory]) -> None:
        """Opens a section."""
        self.say(f"\n{title}")
        for story in stories:
            self.say(f"  {story.label}: {story.about}")

    def report(self, story: JobStory, line: str | None) -> None:
        """Prints the line, if any."""
        if line is not None:
            self.say(f"{time.monotonic() - self._started:6.1f} s  {story.label}: {line}")


class LiveDisplay:
    """A view that is redrawn several times per second; finished sections remain above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._title = ""
        self._stories: Sequence[JobStory] = ()
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

    def begin(self, title: str, stories: Sequence[JobStory]) -> None:
        """Prints the final state of the last section, and shows the next one."""
        self._leave_section()
        self._title, self._stories = title, stories

    def report(self, story: JobStory, line: str | None) -> None:
        """Does nothing: the next redraw shows the change."""

    def _leave_section(self) -> None:
        if self._stories:
            stories, self._stories = self._stories, ()
            self._console.print(section(self._title, stories, self._spinner))

    def _view(self) -> RenderableType:
        if self._stories:
            return section(self._title, self._stories, self._spinner)
        return Columns([self._spinner, Text("starting the service", style="dim")])


def section(title: str, stories: Sequence[JobStory], spinner: Spinner) -> RenderableType:
    """A title, a row for each job, and for a target its stages, distances and search."""
    rows = Table.grid(padding=(0, 2, 0, 0))
    rows.add_column(width=2)
    rows.add_column(no_wrap=True)
    rows.add_column(no_wrap=True)
    rows.add_column()  # only this column shrinks on a narrow terminal
    for story in stories:
        rows.add_row(*story_row(story, spinner))
    details = [Padding(detail, (0, 0, 0, 4)) for story in stories if not story.ended for detail in story_details(story)]
    return Group(Text(""), Text.from_markup(f"[bold]{escape(title)}[/bold]"), rows, *details)


def story_row(story: JobStory, spinner: Spinner) -> tuple[RenderableType, ...]:
    """Mark, name, progress bar or time, and the job's activity or outcome."""
    seconds = Text(f"{story.seconds or 0.0:.1f} s", style="dim")
    match story.state:
        case "succeeded":
            return Text(" ✓", style="green"), Text(story.label), seconds, _cut(Text(outcome(story), style="dim"))
        case "failed" | "cancelled":
            return Text(" ✗", style="red"), Text(story.label), seconds, Text(story.state, style="red")
        case "running":
            doing = Text(f"{story.stage or 'starts'}  ", style="cyan").append(story.message or story.about, style="dim")
            return spinner, Text(story.label), ProgressBar(1.0, story.fraction, width=14), _cut(doing)
        case _:
            return (
                Text(" ·", style="dim"),
                Text(story.label, style="dim"),
                Text(""),
                _cut(Text(story.about, style="dim")),
            )


def _cut(text: Text) -> Text:
    """Truncates the text to one line."""
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def outcome(story: JobStory) -> str:
    """The outcome of a finished job in a few words."""
    if not story.accuracies:
        return story.about
    return "balanced validation accuracy " + " ".join(f"{accuracy:.3f}" for accuracy in story.accuracies)


def story_details(story: JobStory) -> list[RenderableType]:
    """The details below the row of a running target."""
    if story.state != "running" or not story.is_target:
        return []
    details: list[RenderableType] = [stage_track(story)]
    if story.ranking:
        details += ["", Text(verdict_sentence(story.ranking)), distance_table(story.ranking["distances"] or [])]
    elif story.distances:
        details += ["", distances_so_far(story)]
    if story.search and story.stage == "search":
        details += ["", search_view(story.search)]
    return details


def stage_track(story: JobStory) -> Text:
    """The stages in a row, marked as finished, current or pending, and the remaining time."""
    track = Text()
    at = TARGET_STAGES.index(story.stage) if story.stage in TARGET_STAGES else -1
    for place, stage in enumerate(TARGET_STAGES):
        mark, style = ("✓", "green") if place < at else ("▸", "bold cyan") if place == at else ("·", "dim")
        track.append(f"{mark} {stage}  ", style=style)
    if story.eta_seconds is not None:
        track.append(f"about {story.eta_seconds:.0f} s left", style="dim")
    return track


def distances_so_far(story: JobStory) -> Table:
    """The distances measured so far, nearest first."""
    table = Table.grid(padding=(0, 2, 0, 0))
    largest = max(mean for mean, _ in story.distances.values())
    for name, (mean, std) in sorted(story.distances.items(), key=lambda item: item[1][0]):
        table.add_row(Text(name), Text(spread(mean, std)), bar(mean, largest))
    return table


def search_view(search: SearchView) -> RenderableType:
    """The candidates of the iteration, each with its weight (or score) and its cell in short."""
    at = f"iteration {search.iteration + 1}" + ("" if search.round is None else f", round {search.round + 1}")
    table = Table.grid(padding=(0, 2, 0, 0))
    values = search.alphas or search.accuracies
    for place, genotype in enumerate(search.candidates):
        cell = Text(genotype_in_short(genotype) + ("  (incumbent)" if genotype == search.incumbent else ""))
        if place < len(values):
            style = "bold" if values[place] == max(values) else "dim"
            table.add_row(Text(f"{values[place]:.2f}"), bar(values[place], 1.0), cell, style=style)
        else:
            table.add_row(Text("    "), Text("·" * BAR_WIDTH, style="dim"), cell, style="dim")
    return Group(Text(f"{at}: weights of the candidates in FUSE" if search.alphas else at), table)
