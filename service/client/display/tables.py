"""Prints tasks and distances as tables on standard output."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.client.display.answer import bar, distance_table, verdict_sentence
from service.client.display.formats import genotype_in_short, spread

LAYERS_SHOWN = 20


def print_tasks(tasks: Iterable[Mapping[str, Any]], console: Console | None = None) -> None:
    """Prints two lines for each task: its name, role, state and dataset, then its id and label mapping."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("name and id", no_wrap=True)
    for column in ("role", "state", "dataset and labels"):
        table.add_column(column, overflow="fold")
    for task in tasks:
        name = Text(task["name"], style="bold").append("\n" + task["id"], style="not bold dim")
        data = Text(task["dataset"]["uri"]).append("\n" + labels_in_short(task), style="dim")
        table.add_row(name, Text(task["role"]), Text(task["state"]), data)
    (console or Console()).print(
        table if table.row_count else "no tasks; register one with ldnas task add", markup=False
    )


def print_task(task: Mapping[str, Any], console: Console | None = None) -> None:
    """Prints every field of a task that has a value."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in task.items():
        if value not in (None, []):
            table.add_row(Text(key), Text(_IN_SHORT[key](task) if key in _IN_SHORT else _plain(value)))
    (console or Console()).print(table)


def print_matrix(matrix: Mapping[str, Any], console: Console | None = None) -> None:
    """Prints the matrix of distances: rows are sources, columns are targets, `·` where not measured."""
    console = console or Console()
    name_of = {task["id"]: task["name"] for task in matrix["tasks"]}
    sources, targets = ([name_of[id] for id in matrix[axis]] for axis in ("sources", "targets"))
    if not sources or not targets:
        console.print("no distances; measure some with ldnas distances measure TARGET, or with a recommendation")
        return
    table = Table(
        box=None, padding=(0, 2, 0, 0), header_style="dim", title=str(matrix["measure"]), title_justify="left"
    )
    table.add_column("from \\ to")
    for name in targets:
        table.add_column(Text(name), justify="right")
    for name, means, deviations in zip(sources, matrix["mean"], matrix["std"], strict=True):
        table.add_row(Text(name), *(_entry(*pair) for pair in zip(means, deviations, strict=True)))
    console.print(table)


def print_distance(distance: Mapping[str, Any], console: Console | None = None) -> None:
    """Prints one distance: its figures, each repetition, and the layers with the largest contributions."""
    console = console or Console()
    figures = [f"{distance['measure']} {spread(distance['mean'], distance['std'])} over repetitions"]
    if distance["standard_error"] is not None:
        figures.append(f"standard error over images {distance['standard_error']:.4f}")
    console.print(
        Text(f"From {distance['source']['name']} to {distance['target']['name']}", style="bold"),
        Text(", ".join(figures)),
        sep="\n",
    )
    repetitions = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("repetition", "distance", "signed", "standard error"):
        repetitions.add_column(column, justify="right")
    for entry in distance["repetitions"]:
        numbers = (entry["value"], entry["signed"], entry["standard_error"])
        repetitions.add_row(
            str(entry["repetition"]), *("·" if number is None else f"{number:.4f}" for number in numbers)
        )
    console.print(repetitions)
    contributions = distance["contributions"] or []
    if contributions:
        layers = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        layers.add_column("layer")
        layers.add_column("contribution", justify="right")
        layers.add_column("")
        largest = max(abs(entry["value"]) for entry in contributions)
        for entry in contributions[:LAYERS_SHOWN]:
            layers.add_row(Text(entry["layer"]), f"{entry['value']:.4f}", bar(abs(entry["value"]), largest))
        console.print(layers)
        if len(contributions) > LAYERS_SHOWN:
            console.print(
                f"and {len(contributions) - LAYERS_SHOWN} layers with smaller contributions; see --json", style="dim"
            )


def print_column(result: Mapping[str, Any], console: Console | None = None) -> None:
    """Prints the distances to one target by each measure, from the result of a job."""
    console = console or Console()
    for measure, column in result["columns"].items():
        console.print(Text(f"To {result['target']['name']} by {measure}: {verdict_sentence(column)}", style="bold"))
        console.print(distance_table(column["distances"]) if column["distances"] else "")


def labels_in_short(task: Mapping[str, Any]) -> str:
    """A label mapping in one line: `1 3 5 | 0 2 | rest`."""
    labels = task.get("labels")
    if not labels:
        return "its own classes"
    groups = [" ".join(map(str, group)) for group in labels["groups"]]
    rest = ["rest, balanced" if labels.get("balance") else "rest"] if labels.get("rest") else []
    return " | ".join(groups + rest)


def _cells_in_short(task: Mapping[str, Any]) -> str:
    """One line for each training of a cell: its accuracy, its epochs, and whether its weights are stored."""
    lines = []
    for cell in task["cells"]:
        score = f"{cell['validation_accuracy']:.4f} ± {cell['standard_error']:.4f}"
        epochs = "a race" if cell["epochs"] is None else f"{cell['epochs']} epochs"
        weights = ", weights stored" if cell["weights"] else ""
        lines.append(f"{score} after {epochs}, {cell['seconds']:.1f} s{weights}: {genotype_in_short(cell['genotype'])}")
    return "\n".join(lines)


_IN_SHORT = {"labels": labels_in_short, "cells": _cells_in_short}


def _entry(mean: float | None, std: float | None) -> str:
    if mean is None:
        return "·"
    return f"{mean:.4f}" if std is None else f"{mean:.4f}\n± {std:.4f}"


def _plain(value: Any) -> str:
    if isinstance(value, Mapping) and "edges" in value:
        return genotype_in_short(value)
    if isinstance(value, Mapping):
        # Internal ids and keys are left out.
        shown = ((key, part) for key, part in value.items() if part is not None and key not in ("id", "key"))
        return ", ".join(f"{key} {_plain(part)}" for key, part in shown)
    if isinstance(value, list):
        return ("\n" if value and isinstance(value[0], Mapping) else ", ").join(map(_plain, value))
    return f"{value:.4f}" if isinstance(value, float) else str(value)
