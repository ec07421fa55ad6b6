"""Prints a recommendation: its verdict, distances, network, scores and warnings."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from service.client.display.formats import network_in_short, spread
from service.client.display.race import race_rows, race_sentences, race_table

BAR_WIDTH = 12


def print_answer(document: Mapping[str, Any], console: Console | None = None) -> None:
    """Prints a finished recommendation."""
    (console or Console()).print(answer(document))


def answer(document: Mapping[str, Any]) -> RenderableType:
    """A finished recommendation, for a terminal of 80 columns or more."""
    return Group(
        Rule("The answer", style="dim"),
        Text(""),
        Text(verdict_sentence(document), style="bold"),
        Text(""),
        *_distances(document),
        *_race(document),
        _facts(document),
        *_warnings(document),
    )


def verdict_sentence(document: Mapping[str, Any]) -> str:
    """The verdict of the distances as a sentence."""
    closest = document.get("closest") or {}
    name, probability = closest.get("name"), closest.get("probability")
    likely = "" if probability is None else f", with probability {probability:.2f}"
    match document.get("verdict"):
        case "closest":
            return f"The closest known task is {name}{likely}."
        case "tie":
            tied = _tied(document)
            if len(tied) > 1:
                return f"A tie between {_listed(tied)}: too close to choose one."
            return f"A tie: {name or 'no task'} leads{likely}, which is too low to choose it."
        case "no_close_task":
            return "No known task is close: none is reliably nearer than untrained networks."
        case "no_baseline":
            return "The service had no known task to compare with."
        case _:
            return "The known tasks have not been compared yet."


def _tied(document: Mapping[str, Any]) -> list[str]:
    """The tied tasks, the most probable first, each with its probability if known."""
    entries = {entry["task_id"]: entry for entry in document.get("distances") or []}
    tied = [entries[task] for task in document.get("tied") or [] if task in entries]
    percents = [percent_text(entry.get("probability_closest")) for entry in tied]
    return [
        f"{entry['name']} ({share})" if share else entry["name"] for entry, share in zip(tied, percents, strict=True)
    ]


def _listed(names: list[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}"


def distance_table(distances: list[Mapping[str, Any]]) -> Table:
    """The distances, nearest first, with spread, interval, probability (if known) and a bar."""
    known = sorted((entry for entry in distances if entry["mean"] is not None), key=lambda entry: entry["mean"])
    largest = max((entry["mean"] for entry in known), default=0.0)
    columns: dict[str, list[str]] = {
        "distance": [spread(entry["mean"], entry.get("std")) for entry in known],
        "90 % interval": [interval_text(entry.get("interval")) for entry in known],
        "closest": [percent_text(entry.get("probability_closest")) for entry in known],
    }
    shown = {title: cells for title, cells in columns.items() if any(cells) or title == "distance"}
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("known task", no_wrap=True, max_width=22)
    for title in shown:
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for place, entry in enumerate(known):
        cells = [column[place] for column in shown.values()]
        style = "bold" if place == 0 else None
        table.add_row(Text(entry["name"]), *cells, bar(entry["mean"], largest), style=style)
    for entry in distances:
        if entry["mean"] is None:
            table.add_row(Text(entry["name"]), "not comparable", style="dim")
    return table


def bar(value: float, largest: float, width: int = BAR_WIDTH) -> Text:
    """A bar of a length proportional to the value; the largest value fills the width."""
    share = value / largest if largest > 0 else 0.0
    return Text("━" * max(1, round(share * width)), style="cyan")


def _distances(document: Mapping[str, Any]) -> list[RenderableType]:
    distances = list(document.get("distances") or [])
    if not distances:
        return []
    marks = scale_marks(document)
    parts: list[RenderableType] = [
        Text(f"Distance to the new task ({distances[0]['measure']}, ± over repetitions)"),
        Padding(distance_table(distances), (0, 0, 0, 2)),
    ]
    if marks:
        parts.append(Padding(Text("for scale: " + ", ".join(marks), style="dim"), (0, 2)))
    return [*parts, Text("")]


def _race(document: Mapping[str, Any]) -> list[RenderableType]:
    if not race_rows(document):
        return []
    sentences = [Text(sentence) for sentence in race_sentences(document)]
    return [Text("The race (± standard error of the score)"), race_table(document), Text(""), *sentences, Text("")]


def facts(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The known facts about the search and the network, as labels and texts of one or more lines."""
    architecture = document.get("architecture") or {}
    entries = (
        ("Searched", _space(document)),
        ("Chosen cell", _cell(architecture)),
        ("Network", _size(architecture)),
        ("Training", _start(document.get("warm_start") or {})),
        ("Validation", _validation(document.get("validation") or {})),
        ("Test", _test(document)),
        ("Control", _control(document.get("control") or {})),
        ("Took", _cost(document.get("cost") or {})),
    )
    return [(label, text) for label, text in entries if text]


def scale_marks(document: Mapping[str, Any]) -> list[str]:
    """Reference values for the distances."""
    scale = document.get("scale") or {}
    return [
        f"{label} {scale[key]:.4f}"
        for key, label in (("self_distance", "its networks retrained"), ("untrained_distance", "untrained networks"))
        if scale.get(key) is not None
    ]


def _facts(document: Mapping[str, Any]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for label, text in facts(document):
        table.add_row(label, Text(text))
    return table


def _space(document: Mapping[str, Any]) -> str:
    space = document.get("search_space") or {}
    if space.get("size") is None or document.get("alternatives"):
        return ""
    names = {entry["task_id"]: entry["name"] for entry in document.get("distances") or []}
    sources = [names.get(task, task) for task in space.get("source_task_ids") or []]
    union = "spaces" if len(sources) > 1 else "space"
    origin = f"the {union} of {_listed(sources) if len(sources) > 1 else sources[0]}" if sources else "the full space"
    share, fraction = "", space.get("fraction_of_full")
    if fraction and fraction < 1:
        share = f" of {round(space['size'] / fraction):,} ({100 * fraction:.2g} %)"
    return f"{origin}: {space['size']:,} cells{share}\n" + ", ".join(space.get("primitives") or [])


def _cell(architecture: Mapping[str, Any]) -> str:
    genotype = architecture.get("genotype") or {}
    edges = [f"{start} → {end}  {primitive}" for start, end, primitive in genotype.get("edges", [])]
    width = max(map(len, edges), default=0)
    pairs = [edges[at : at + 2] for at in range(0, len(edges), 2)]
    rows = ["    ".join(edge.ljust(width) for edge in pair).rstrip() for pair in pairs]
    return "\n".join([*rows, "(0 is the cell's input, 3 its output)"]) if rows else ""


def _size(architecture: Mapping[str, Any]) -> str:
    if architecture.get("parameters") is None:
        return ""
    macs = architecture.get("macs")
    name = "" if architecture.get("genotype") else network_in_short(architecture)
    size = f"{architecture['parameters']:,} parameters" + (f", {macs:,} multiply-adds per image" if macs else "")
    return f"{name}\n{size}" if name else size


def _start(start: Mapping[str, Any]) -> str:
    return "" if start.get("name") is None else f"started from weights trained on {start['name']}"


def _validation(validation: Mapping[str, Any]) -> str:
    if validation.get("accuracy") is None:
        return ""
    return f"accuracy {validation['accuracy']:.4f}" + _balanced(validation)


def _test(document: Mapping[str, Any]) -> str:
    test = document.get("test") or {}
    if test.get("accuracy") is None:
        return ""
    interval = test.get("interval")
    between = f", 95 % interval {interval[0]:.3f} to {interval[1]:.3f}" if interval else ""
    images = (document.get("target") or {}).get("test")
    on = f"\non {images:,} images not used for training or search" if images else ""
    return f"accuracy {test['accuracy']:.4f}{between}{_balanced(test)}{on}"


def _control(control: Mapping[str, Any]) -> str:
    """The verdict of the control, and each arm with its difference."""
    if control.get("verdict") is None:
        return ""
    lines = [f"{control['verdict']}; {control['objective']} against equal seconds without the known tasks:"]
    for way, title in (("full_space", "full space"), ("random", "random cells"), ("resnet18", "ResNet-18")):
        arm = control.get(way) or {}
        if (interval := arm.get("interval")) is not None:
            lines.append(f"{title}: {arm['difference']:+.4f} ({interval[0]:+.4f} to {interval[1]:+.4f})")
        elif arm.get("reason"):
            lines.append(f"{title}: {arm['reason']}")
    return "\n".join(lines)


def _warnings(document: Mapping[str, Any]) -> list[RenderableType]:
    """The warnings, one sentence each."""
    lines: list[RenderableType] = [Text(f"! {warning}", style="yellow") for warning in document.get("warnings") or []]
    return [Text(""), *lines] if lines else []


def _cost(cost: Mapping[str, Any]) -> str:
    seconds = cost.get("stage_seconds") or {}
    if not seconds:
        return ""
    parts = ", ".join(f"{stage} {value:.1f}" for stage, value in seconds.items())
    return f"{sum(seconds.values()):.0f} s on {cost.get('device') or 'an unknown device'} ({parts})"


def _balanced(scores: Mapping[str, Any]) -> str:
    value = scores.get("balanced_accuracy")
    return "" if value is None else f", balanced {value:.4f}"


def interval_text(interval: list[float] | None) -> str:
    """An interval of distances; empty if None."""
    return "" if not interval else f"{interval[0]:.4f} to {interval[1]:.4f}"


def percent_text(fraction: float | None) -> str:
    """A fraction as a whole percentage; empty if None."""
    return "" if fraction is None else f"{100 * fraction:.0f} %"
