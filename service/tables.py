"""Tasks and distances as tables on standard output."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_tasks(tasks: Iterable[Mapping[str, Any]], console: Console | None = None) -> None:
    """One row for each task."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("name", "role", "state", "dataset", "labels", "id"):
        table.add_column(column, overflow="fold")
    for task in tasks:
        cells = (task["name"], task["role"], task["state"], task["dataset"]["uri"], labels_in_short(task), task["id"])
        table.add_row(*map(Text, cells))
    (console or Console()).print(table if table.row_count else "no tasks; ldnas task add registers one", markup=False)


def print_task(task: Mapping[str, Any], console: Console | None = None) -> None:
    """Every field of a task that is known."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in task.items():
        if value is not None:
            table.add_row(Text(key), Text(labels_in_short(task) if key == "labels" else _plain(value)))
    (console or Console()).print(table)


def print_matrix(matrix: Mapping[str, Any], console: Console | None = None) -> None:
    """The matrix of distances: rows are sources, columns targets, `·` where nothing was measured."""
    console = console or Console()
    names = [task["name"] for task in matrix["tasks"]]
    if not names:
        console.print("no distances; a recommendation measures them", markup=False)
        return
    table = Table(
        box=None, padding=(0, 2, 0, 0), header_style="dim", title=str(matrix["measure"]), title_justify="left"
    )
    table.add_column("from \\ to")
    for name in names:
        table.add_column(Text(name), justify="right")
    for name, means, deviations in zip(names, matrix["mean"], matrix["std"], strict=True):
        table.add_row(Text(name), *(_entry(*pair) for pair in zip(means, deviations, strict=True)))
    console.print(table)


def labels_in_short(task: Mapping[str, Any]) -> str:
    """A label mapping in one line: `1 3 5 | 0 2 | rest`."""
    labels = task.get("labels")
    if not labels:
        return "its own classes"
    groups = [" ".join(map(str, group)) for group in labels["groups"]]
    rest = ["rest, balanced" if labels.get("balance") else "rest"] if labels.get("rest") else []
    return " | ".join(groups + rest)


def _entry(mean: float | None, std: float | None) -> str:
    if mean is None:
        return "·"
    return f"{mean:.4f}" if std is None else f"{mean:.4f}\n± {std:.4f}"


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(part)}" for key, part in value.items() if part is not None)
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return str(value)
