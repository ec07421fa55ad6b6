"""The race of a recommendation as texts: why the winner won, and a line for each network that took part."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

WINNER = "★"
FRESH = "fresh weights"
COLUMNS = ("network", "kind", "started from", "score, %", "parameters", "ms", "seconds", "on the front")


def race_sentences(document: Mapping[str, Any]) -> list[str]:
    """The reason of the winner, the memory of cells, and the networks that did not take part.

    Empty without a race.
    """
    search = document.get("search") or {}
    sentences = [f"Why: {search['reason']}."] if search.get("reason") else []
    if memory := search.get("memory"):
        sentences.append(memory_sentence(memory))
    return [*sentences, *passed_over_sentences(search.get("passed_over") or ())]


def passed_over_sentences(networks: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A sentence for each of the two reasons why networks of a race did not take part."""
    outclassed = [str(each["name"]) for each in networks if each.get("outclassed")]
    too_slow = [str(each["name"]) for each in networks if not each.get("outclassed")]
    if outclassed:
        yield f"Not tried, since the pretrained network was too far ahead: {', '.join(outclassed)}."
    if too_slow:
        yield f"The seconds did not suffice for {', '.join(too_slow)}."


def memory_sentence(memory: Mapping[str, Any]) -> str:
    """The scores that the cells of a race were chosen by."""
    if not memory["cells"]:
        return "No known task has scored a cell, so the cell of the race was drawn at random."
    starter = ", the starter memory among them" if memory["starter"] else ""
    chosen = f"The cells were chosen by the scores of {memory['cells']} cells on {memory['tasks']} tasks{starter}"
    return f"{chosen}; {memory['closeness']}."


def race_rows(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The values of `COLUMNS` for each network that took part, the winner first and marked; empty without a race."""
    return [
        (
            f"{'' if place else f'{WINNER} '}{entry['name']}",
            str(entry["kind"]),
            str(entry.get("started_from") or FRESH),
            f"{100 * entry['validation']:.1f} ± {100 * entry['standard_error']:.1f}",
            f"{entry['parameters']:,}",
            f"{entry['latency_ms']:.3g}",
            f"{entry['seconds']:.1f}",
            "yes" if entry["on_front"] else "no",
        )
        for place, entry in enumerate(document.get("alternatives") or ())
    ]


def race_table(document: Mapping[str, Any]) -> Padding:
    """The rows for a terminal of 80 columns: two lines for each network."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("network", overflow="fold")
    for title in ("score, %", "parameters", "ms", "s", "front"):
        table.add_column(title, justify="right", no_wrap=True)
    for place, (name, kind, started_from, *values) in enumerate(race_rows(document)):
        style = "" if place else "bold"
        network = Text(name, style=style).append(f"\n{kind}, {started_from}", style="not bold dim")
        table.add_row(network, *(Text(value, style=style) for value in values))
    return Padding(table, (0, 0, 0, 2))
